/** A network between the pages and the server that can be cut, taken away, and held back. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * Passes connections on to `port` of this machine. The first time that the server says something with `fatal` in it, all
 * connections break before it arrives. With `fatalRequest` the same for what a client says, half of which still arrives.
 */
export async function startProxy(port, { fatal, fatalRequest } = {}) {
  const open = new Set();
  let cuts = 0, gone = false, refused = 0;
  /** What waits while everything is held back: functions that send it on. @type {(() => void)[] | null} */
  let held = null;
  /** Breaks everything that is open; new connections go through. */
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  const listener = createServer((near) => {
    if (gone) {
      refused += 1;
      return near.destroy();
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on('data', (bytes) => {
        if (one === far && cuts === 0 && fatal && bytes.includes(fatal)) {
          cuts += 1;
          cut();
        } else if (one === near && cuts === 0 && fatalRequest && bytes.includes(fatalRequest)) {
          cuts += 1;
          other.write(bytes.subarray(0, bytes.length / 2), cut);
        } else if (held && one === far) {
          held.push(() => other.write(bytes));
        } else {
          other.write(bytes);
        }
      });
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.on('error', () => {});
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    /** How often everything broke. */
    get cuts() { return cuts; },
    /** How many connections were refused while the network was away. */
    get refused() { return refused; },
    cut,
    /** Breaks everything and lets nothing through, in either direction, until `comeBack`. */
    goAway() {
      gone = true;
      cut();
    },
    comeBack() { gone = false; },
    /** Keeps back what the server says, from now until `release`, in order. */
    hold() { held = []; },
    release() {
      const waiting = held ?? [];
      held = null;
      for (const send of waiting) send();
    },
    async stop() {
      listener.close();
      cut();
      await once(listener, 'close');
    },
  };
}
