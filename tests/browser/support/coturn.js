/** A real TURN server: coturn with the configuration that is shipped, on a free port of this machine. */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CONFIGURATION = resolve('../../deploy/coturn.conf');
const PATIENCE_MS = 20_000;

/** What both servers know. */
export const TURN_SECRET = 'the browser tests share this one with coturn!';

/** Starts it and waits until it listens. */
export async function startCoturn() {
  const directory = await mkdtemp(join(tmpdir(), 'coturn-'));
  const port = await freePort();
  const child = spawn(process.env.TURNSERVER ?? 'turnserver', [
    '-c', CONFIGURATION, `--static-auth-secret=${TURN_SECRET}`, `--listening-port=${port}`, '--listening-ip=127.0.0.1',
    '--relay-ip=127.0.0.1', '--min-port=41000', '--max-port=41400', '--no-tls', '--no-dtls', '--allow-loopback-peers',
    `--userdb=${directory}/userdb`, `--pidfile=${directory}/pid`,
  ], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (chunk) => { said += chunk; });
  const failed = once(child, 'error').then(([error]) => { throw new Error(`coturn is needed (apt-get install coturn): ${error.message}`); });
  const ended = once(child, 'exit').then(([code]) => { throw new Error(`coturn ended with ${code}:\n${said}`); });
  ended.catch(() => {}); // in the end it does
  await Promise.race([listens(port), failed, ended]);
  return {
    port,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill();
        await ended.catch(() => {});
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What a server with the secret gives to somebody until `ends`, in seconds since 1970. */
export function credential(ends, id = 'somebody') {
  const username = `${ends}:${id}`;
  return { username, password: createHmac('sha1', TURN_SECRET).update(username).digest('base64') };
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Over UDP as well, which is its last. */
async function listens(port) {
  const begin = performance.now();
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(() => true, () => false);
    socket.destroy();
    if (open && await answers(port)) return;
    if (performance.now() - begin > PATIENCE_MS) throw new Error(`coturn does not listen on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whether something comes back for a STUN request. */
async function answers(port) {
  const socket = createSocket('udp4');
  const request = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
  socket.send(request, port, '127.0.0.1');
  try {
    return await once(socket, 'message', { signal: AbortSignal.timeout(200) }).then(() => true, () => false);
  } finally {
    socket.close();
  }
}
