/**
 * What lies outside of a machine, for tests: says who comes to it, and knows a name. It runs in a network namespace of its
 * own at the end of the machine's one way out (namespaced.ts). `node dist/test/agent/runtime/outside-main.js` prints a line
 * when it is there.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { answer } from '../../../src/agent/core/dns-answer.ts';
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX, parseName, Rcode, RecordType } from '../../../src/agent/core/dns-message.ts';

export const OUTSIDE_ADDRESS = '198.51.100.1';
/** Of the machine, at its end of the way out. */
export const MACHINE_ADDRESS = '198.51.100.2';
export const OUTSIDE_PORT = 8_000;
export const OUTSIDE_NAME = 'outside.example';
const DNS_PORT = 53;

async function main(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(socket.remoteAddress ?? '');
  });
  await new Promise<void>((done, failed) => server.once('error', failed).listen(OUTSIDE_PORT, OUTSIDE_ADDRESS, done));
  const names = createSocket('udp4');
  names.on('message', (bytes, { address, port }) => {
    const query = decodeMessage(bytes);
    const name = parseName(OUTSIDE_NAME);
    const isKnown = query.questions[0]?.name.join('.') === OUTSIDE_NAME;
    const records = isKnown ? [{ name, type: RecordType.A, ttl: 5, data: { type: 'A' as const, address: OUTSIDE_ADDRESS } }] : [];
    names.send(encodeMessage(answer(query, { rcode: isKnown ? Rcode.NOERROR : Rcode.NXDOMAIN, answers: records }), MESSAGE_BYTES_MAX), port, address);
  });
  await new Promise<void>((done, failed) => names.once('error', failed).bind(DNS_PORT, OUTSIDE_ADDRESS, () => done()));
  process.stdout.write('there\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
