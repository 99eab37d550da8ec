/** The server under test: the real program, named by SERVER_BIN, in development mode on a free port. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROGRAM = resolve(process.env.SERVER_BIN ?? '../../target/debug/autamedica-signaling');

/** The same for all servers of a test, so that a restarted one accepts the tokens of the one before. */
export const JWT_SECRET = 'the browser tests sign with this one!';

/**
 * Starts a server and waits until it says where it listens, to clients and, where `env` has an ADMIN_ADDR, to administrators.
 * `before`: what a shell does before it becomes the server.
 */
export async function startServer({ port = 0, env = {}, before = ':' } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'autamedica-'));
  const child = spawn('sh', ['-c', `${before} && exec "$0" serve`, PROGRAM], {
    cwd: directory,
    env: { PATH: process.env.PATH, NODE_ENV: 'development', HOST: '127.0.0.1', PORT: String(port), ADMIN_ADDR: 'off', JWT_SECRET, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const [url, adminUrl] = await new Promise((found, failed) => {
    const listen = (chunk) => {
      said += chunk;
      // A line of JSON has its address twice.
      const addresses = [...new Set(said.match(/http:\/\/127\.0\.0\.1:\d+\//g))];
      if (addresses.length > ('ADMIN_ADDR' in env ? 1 : 0)) found(addresses.map((address) => address.slice(0, -1)));
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', (chunk) => { said += chunk; });
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`${PROGRAM} ended with ${code}:\n${said}`)));
  });
  child.removeAllListeners('exit');
  return {
    url,
    adminUrl,
    port: Number(new URL(url).port),
    /** Ends it, in the middle of everything with SIGKILL. */
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}
