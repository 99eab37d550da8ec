// @ts-check
/** Camera and microphone: opens what there is, switches it on and off, and says in one word what is missing and why. */

/**
 * @typedef {'media-denied' | 'no-devices' | 'no-camera' | 'no-microphone' | 'device-busy' | 'device-lost' | 'insecure'} MediaProblem
 */

/** The user's own camera and microphone, in a stream that stays the same while its tracks come and go. Dispatches `change`. */
export class Media extends EventTarget {
  stream = new MediaStream();
  /** @type {MediaProblem | null} */
  problem = null;
  #wanted = { audio: true, video: true };

  /** Call before the first `open()`: the devices that are off at first. @param {('audio' | 'video')[]} kinds */
  startOff(kinds) {
    for (const kind of kinds) this.#wanted[kind] = false;
  }

  /** The devices that the user has switched off. @returns {('audio' | 'video')[]} */
  get switchedOff() { return KINDS.filter((kind) => !this.#wanted[kind]); }

  /** Opens the devices that are not open; afterwards `problem` says what could not be opened. */
  async open() {
    this.problem = null;
    if (!navigator.mediaDevices) {
      this.problem = 'insecure';
    } else if (!await this.#tryOpen({ audio: !this.#track('audio'), video: !this.#track('video') && VIDEO })) {
      // The browser refuses both if one is missing, so ask for each.
      /** @type {(MediaProblem | null)[]} */ const why = [];
      if (!this.#track('audio')) why.push(await this.#whyNot({ audio: true }, 'no-microphone'));
      if (!this.#track('video')) why.push(await this.#whyNot({ video: VIDEO }, 'no-camera'));
      this.problem = summary(why);
    }
    this.#changed();
  }

  /** Switches the devices off and releases them. */
  close() {
    for (const track of this.stream.getTracks()) {
      track.stop();
      this.stream.removeTrack(track);
    }
    this.problem = null;
    this.#wanted = { audio: true, video: true };
    this.#changed();
  }

  /** Whether the others can see or hear it. @param {'audio' | 'video'} kind */
  isOn(kind) { return this.#track(kind)?.enabled ?? false; }

  /** Whether there is one. @param {'audio' | 'video'} kind */
  has(kind) { return this.#track(kind) !== undefined; }

  /** Mutes it, or brings it back. @param {'audio' | 'video'} kind */
  toggle(kind) {
    const track = this.#track(kind);
    if (!track) return;
    track.enabled = !track.enabled;
    this.#wanted[kind] = track.enabled;
    this.#changed();
  }

  /** @param {MediaStreamConstraints} constraints @param {MediaProblem} absent @returns {Promise<MediaProblem | null>} */
  async #whyNot(constraints, absent) {
    try {
      this.#take(await navigator.mediaDevices.getUserMedia(constraints));
      return null;
    } catch (problem) {
      switch (/** @type {Error} */ (problem).name) {
        case 'NotAllowedError':
        case 'SecurityError': return 'media-denied';
        case 'NotFoundError':
        case 'OverconstrainedError': return absent;
        default: return 'device-busy';
      }
    }
  }

  /** @param {MediaStreamConstraints} constraints */
  async #tryOpen(constraints) {
    if (!constraints.audio && !constraints.video) return true;
    return (await this.#whyNot(constraints, 'no-devices')) === null;
  }

  /** @param {MediaStream} opened */
  #take(opened) {
    for (const track of opened.getTracks()) {
      const kind = /** @type {'audio' | 'video'} */ (track.kind);
      track.enabled = this.#wanted[kind];
      track.addEventListener('ended', () => { // unplugged, or the permission withdrawn
        this.stream.removeTrack(track);
        this.problem = 'device-lost';
        this.#changed();
      });
      this.stream.addTrack(track);
    }
  }

  /** @param {'audio' | 'video'} kind */
  #track(kind) { return this.stream.getTracks().find((track) => track.kind === kind); }

  #changed() { this.dispatchEvent(new CustomEvent('change')); }
}

const KINDS = /** @type {const} */ (['audio', 'video']);
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' };

/** @param {(MediaProblem | null)[]} why @returns {MediaProblem | null} */
function summary(why) {
  const problems = why.filter((problem) => problem !== null);
  if (problems.length === 2 && problems.every((problem) => problem === 'no-camera' || problem === 'no-microphone')) return 'no-devices';
  return problems[0] ?? null;
}
