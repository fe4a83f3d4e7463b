/**
 * The inner half of a node: a small process in the node's network namespace that opens connections there for the agent,
 * which stays outside, in the machine's own. They talk over a Unix socket, a path that both see:
 *
 *   agent ──{"dial":{"host","port"}}\n──► inner ──connects──► a pod       ◄── "ok\n" or "ECONNREFUSED\n", then bytes both ways
 *   agent ──{"listen":{"host","port","path"}}\n──► inner listens as long as this connection lasts; each connection that it
 *                                                    takes is joined to one to the socket `path`
 *
 * Over Node's own channel between parent and child the agent asks for sockets: `{ id, open: "tcp" | "udp", host, port }` is
 * answered by `{ id }` and the socket itself, which is the agent's from then on, or by `{ id, error }`.
 *
 * It has no state and ends with its agent: its standard input is a pipe that the agent holds. Started as
 * `node inner-main.js SOCKET`; it imports nothing, since each node of a machine pays for it.
 */
import { createSocket } from 'node:dgram';
import { unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

interface Request {
  readonly dial?: { readonly host: string; readonly port: number };
  readonly listen?: { readonly host: string; readonly port: number; readonly path: string };
}

interface Opening {
  readonly id: number;
  readonly open: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
}

const HEADER_BYTES_MAX = 4_096;

function join(one: Socket, other: Socket): void {
  one.pipe(other);
  other.pipe(one);
  const ends = (from: Socket, to: Socket) => {
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => {
      if (!from.readableEnded) to.destroy();
    });
  };
  ends(one, other);
  ends(other, one);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
}

function dial(client: Socket, { host, port }: NonNullable<Request['dial']>): void {
  const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const fail = (error: Error) => client.end(`${codeOf(error)}\n`);
  const abandon = () => upstream.destroy();
  upstream.once('error', fail);
  client.once('close', abandon);
  upstream.once('connect', () => {
    upstream.off('error', fail);
    client.off('close', abandon);
    client.write('ok\n');
    join(client, upstream);
  });
}

function listen(control: Socket, { host, port, path }: NonNullable<Request['listen']>): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const outside = connect({ path, allowHalfOpen: true });
    join(socket, outside);
  });
  server.once('error', (error) => control.end(`${codeOf(error)}\n`));
  server.listen({ host, port, exclusive: true }, () => control.write('ok\n'));
  control.once('close', () => server.close());
  control.resume();
}

/** Ours is closed as soon as it is the agent's too. */
function open({ id, open: kind, host, port }: Opening): void {
  const fail = (error: Error) => process.send?.({ id, error: codeOf(error) });
  if (kind === 'udp') {
    const socket = createSocket('udp4').once('error', fail);
    socket.bind({ address: host, port, exclusive: true }, () => process.send?.({ id }, socket, {}, () => socket.close()));
  } else {
    const server = createServer().once('error', fail);
    server.listen({ host, port, exclusive: true }, () => process.send?.({ id }, server, {}, () => server.close()));
  }
}

function serve(client: Socket): void {
  let head = Buffer.alloc(0);
  client.on('error', () => undefined); // it has gone, which `close` tells too
  const read = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end < 0 && head.length <= HEADER_BYTES_MAX) return;
    client.off('data', read);
    client.pause();
    if (end < 0) return void client.destroy();
    const request = JSON.parse(head.subarray(0, end).toString('utf8')) as Request; // from our agent alone
    if (end + 1 < head.length) client.unshift(head.subarray(end + 1));
    if (request.dial !== undefined) return dial(client, request.dial);
    if (request.listen !== undefined) return listen(client, request.listen);
    client.destroy();
  };
  client.on('data', read);
}

const path = process.argv[2] ?? '';
try {
  unlinkSync(path);
} catch {
  // nobody was here before
}
process.on('message', (message) => open(message as Opening)); // from our agent alone
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
createServer({ allowHalfOpen: true }, serve).listen(path, () => process.stdout.write('ready\n'));
