// @ts-check
/** The user's own screen, shared for as long as they like. */

/** Whether this browser can share a screen; those of phones cannot. */
export function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === 'function';
}

/** The shared screen, in a stream that stays the same while its track comes and goes. Dispatches `change`. */
export class Screen extends EventTarget {
  stream = new MediaStream();
  /** Whether the last attempt failed for another reason than the user changing their mind. */
  failed = false;
  #asking = false;

  get isShared() { return this.stream.active; }

  /** Lets the user choose what to share. Returns when they have chosen or cancelled. */
  async start() {
    if (this.#asking || this.isShared) return;
    this.#asking = true;
    this.failed = false;
    try {
      const opened = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
      for (const track of opened.getVideoTracks()) this.#take(track);
    } catch (problem) {
      this.failed = /** @type {Error} */ (problem).name !== 'NotAllowedError';
    }
    this.#asking = false;
    this.#changed();
  }

  /** Stops sharing. */
  stop() {
    if (!this.isShared) return;
    for (const track of this.stream.getTracks()) {
      track.stop();
      this.stream.removeTrack(track);
    }
    this.#changed();
  }

  /** @param {MediaStreamTrack} track */
  #take(track) {
    track.contentHint = 'detail'; // it is to be read: sharp rather than smooth
    track.addEventListener('ended', () => { // by the browser's own button, or as the window was closed
      this.stream.removeTrack(track);
      this.#changed();
    });
    this.stream.addTrack(track);
  }

  #changed() { this.dispatchEvent(new CustomEvent('change')); }
}
