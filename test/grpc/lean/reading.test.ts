import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readsAccepted, readsTo } from '../../../src/grpc/lean/reading.ts';

let server: Server;
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => void accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

async function dial(): Promise<{ client: Socket; socket: Socket }> {
  const address = server.address();
  const client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  const count = accepted.length;
  await vi.waitFor(() => expect(accepted.length).toBe(count + 1), { interval: 1 });
  return { client, socket: accepted[count]! };
}

const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString();

describe('readsAccepted()', () => {
  test('bytes that somebody has put back come first, then the others', async () => {
    const { client, socket } = await dial();
    client.write('first ');
    await once(socket, 'readable');
    const first: unknown = socket.read();
    socket.unshift(first as Buffer);
    client.write('second');
    const chunks: Buffer[] = [];
    readsAccepted(socket, (chunk) => chunks.push(chunk));
    expect(chunks, 'nothing comes before it returns').toEqual([]);
    await vi.waitFor(() => expect(text(chunks)).toBe('first second'));
    client.destroy();
  });

  test('a chunk is its own: what is read next, on whatever socket, is written elsewhere', async () => {
    const chunks: Buffer[][] = [[], []];
    const pairs = [await dial(), await dial()];
    for (const [at, { socket }] of pairs.entries()) readsAccepted(socket, (chunk) => chunks[at]!.push(chunk));
    const large = Buffer.alloc(300_000, 'l');
    const sent = pairs.map(() => '');
    for (let round = 0; round < 20; round++) {
      for (const [at, { client }] of pairs.entries()) {
        const piece = round === 10 ? large.toString() : `${at}:${round} `;
        sent[at] += piece;
        client.write(piece);
        await vi.waitFor(() => expect(text(chunks[at]!).length).toBe(sent[at]!.length), { interval: 1 });
      }
    }
    expect(chunks.map(text)).toEqual(sent);
    for (const chunk of chunks.flat()) expect(chunk.buffer.byteLength, 'who keeps it keeps no more than it').toBe(chunk.length);
    for (const { client } of pairs) client.destroy();
  });

  test('one that speaks and ends at once is heard, and its end', async () => {
    const { client, socket } = await dial();
    client.end('all of it');
    await Promise.all([once(socket, 'readable'), once(client, 'finish')]);
    const first: unknown = socket.read();
    socket.unshift(first as Buffer);
    // A turn of the loop: its end is read, too, before another takes over.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const chunks: Buffer[] = [];
    const taken = readsAccepted(socket, (chunk) => chunks.push(chunk));
    await once(taken, 'end');
    expect(text(chunks)).toBe('all of it');
  });

  test('who counts the accepted sockets hears of their end, whichever side ends', async () => {
    const ours = await dial();
    const theirs = await dial();
    const closed = [ours, theirs].map(({ socket }) => once(socket, 'close'));
    const taken = [ours, theirs].map(({ socket }) => readsAccepted(socket, () => undefined));
    taken[0]!.destroy();
    theirs.client.destroy();
    await Promise.all(closed);
    await new Promise((resolve) => server.close(resolve));
  });

  test('one that was closed meanwhile stays so', async () => {
    const { client, socket } = await dial();
    socket.destroy();
    const taken = readsAccepted(socket, () => expect.fail('nothing is read'));
    await once(taken, 'close');
    client.destroy();
  });
});

test('readsTo(): who dials reads the same way', async () => {
  const chunks: Buffer[] = [];
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connect({ port, host: '127.0.0.1', onread: readsTo((chunk) => chunks.push(chunk)) });
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  accepted[0]!.write('one');
  await vi.waitFor(() => expect(text(chunks)).toBe('one'));
  accepted[0]!.end('two');
  await once(client, 'end');
  expect(text(chunks)).toBe('onetwo');
});
