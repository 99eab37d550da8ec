/** Serves the bundle of the client of Socket.IO beside the page, which comes without one. */
import { readFile } from 'node:fs/promises';

/** @param {import('playwright-core').BrowserContext} context */
export async function serveBundle(context) {
  const body = await readFile(new URL('../node_modules/socket.io-client/dist/socket.io.esm.min.js', import.meta.url));
  await context.route('**/socket.io/socket.io.esm.min.js', (route) => route.fulfill({ body, contentType: 'text/javascript' }));
}
