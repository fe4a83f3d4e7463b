/** That the relay does what it says, so that a run under it shows something. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { freePorts } from '../processes.ts';
import { PeerNetwork } from './peer-relay.ts';

const PATIENCE = { timeout: 15_000 };

let network: PeerNetwork;
let echo: Server;
const sockets: Socket[] = [];

/** Member 0 is this process, and calls member 1, which says everything again. */
async function start(): Promise<{ socket: Socket; heard: () => string }> {
  const [relayPort = 0, peerPort = 0, ownRelay = 0, ownPeer = 0] = await freePorts(4);
  echo = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(peerPort, '127.0.0.1', resolve));
  network = await PeerNetwork.open({
    random: seededRandom(1),
    members: [{ relayPort: ownRelay, peerPort: ownPeer }, { relayPort, peerPort }],
    pidOf: (member) => (member === 0 ? process.pid : undefined),
  });
  const socket = connect(relayPort, '127.0.0.1');
  let heard = '';
  socket.on('data', (piece) => (heard += piece.toString()));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, heard: () => heard };
}

afterEach(async () => {
  await network.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => echo.close(resolve));
});

test('a hole holds back one direction, and lets all through late and in order', async () => {
  const { socket, heard } = await start();
  socket.write('a');
  await expect.poll(heard, PATIENCE).toBe('a');
  network.set([[1, 0]], { kind: 'hole' });
  socket.write('b');
  await expect.poll(() => network.counts.held, PATIENCE).toBeGreaterThan(0);
  socket.write('c');
  expect(heard()).toBe('a');
  network.clear();
  await expect.poll(heard, PATIENCE).toBe('abc');
});

test('what waits in a hole is lost when the connection is cut', async () => {
  const { socket, heard } = await start();
  network.set(network.around(1, 'both'), { kind: 'hole' });
  socket.write('lost');
  await expect.poll(() => network.counts.held, PATIENCE).toBeGreaterThan(0);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  network.cut([[0, 1]]);
  network.clear();
  await closed;
  expect(heard()).toBe('');
});

test('a delay is between its bounds, each way', async () => {
  const { socket, heard } = await start();
  network.set(network.around(1, 'both'), { kind: 'delay', meanMs: 75, spreadMs: 50 });
  const startedAt = systemClock.monotonic();
  socket.write('a');
  await expect.poll(heard, { ...PATIENCE, interval: 5 }).toBe('a');
  expect(systemClock.monotonic() - startedAt).toBeGreaterThanOrEqual(2 * 25 - 1);
  expect(network.counts.delayed).toBe(2);
});

test('a drop is made good in order, or breaks the connection', async () => {
  const { socket, heard } = await start();
  network.set([[0, 1]], { kind: 'drop', chance: 0.5 });
  let isClosed = false;
  socket.once('close', () => (isClosed = true));
  let written = '';
  for (let at = 0; network.counts.lost === 0 && at < 100; at++) {
    written += 'x';
    socket.write('x');
    await expect.poll(() => heard() === written || network.counts.lost > 0 || isClosed, { ...PATIENCE, interval: 1 }).toBe(true);
  }
  expect(network.counts.lost).toBeGreaterThan(0);
  await expect.poll(() => heard() === written || isClosed, PATIENCE).toBe(true);
});
