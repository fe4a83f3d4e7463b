/** The userspace proxy on real sockets of 127.x. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { ProxyRule, Target } from '../../src/agent/core/proxy-rules.ts';
import { UserspaceProxy, type Listen } from '../../src/agent/proxy.ts';
import { until } from '../until.ts';

const SERVICE = '127.252.1.1';
const PORT = 18181;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function proxy(options: { connectionsMax?: number; listen?: Listen } = {}): UserspaceProxy {
  const made = new UserspaceProxy({ clock: systemClock, log: silentLog, ...options });
  closing.push(() => made.close());
  return made;
}

const rule = (targets: readonly Target[], extra: Partial<ProxyRule> = {}): ProxyRule => ({
  key: `${SERVICE}:${PORT}`,
  protocol: 'tcp',
  address: SERVICE,
  port: PORT,
  service: 'ns/web:http',
  targets,
  ...extra,
});

/** A server that answers what `serve` says; half-open, so that it sees the client's end. */
async function backend(address: string, serve: (socket: Socket) => void): Promise<Target> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((done) => server.listen(PORT, address, done));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address, port: PORT };
}

const naming = (name: string) => (socket: Socket) => socket.end(name);

/** What a connection brings, or undefined where it is refused or reset. */
function ask(send = '', address = SERVICE): Promise<string | undefined> {
  return new Promise((done) => {
    let text = '';
    const socket = connect({ host: address, port: PORT }, () => socket.end(send));
    socket.on('data', (data) => (text += data.toString()));
    socket.on('error', () => done(undefined));
    socket.on('end', () => done(text));
  });
}

const held = (one: UserspaceProxy) => until('listening', () => one.held.length > 0);

test('connections go to the targets in turn', async () => {
  const targets = [await backend('127.252.0.1', naming('a')), await backend('127.252.0.2', naming('b')), await backend('127.252.0.3', naming('c'))];
  const one = proxy();
  one.apply([rule(targets)]);
  await held(one);
  const answers: (string | undefined)[] = [];
  for (let i = 0; i < 6; i++) answers.push(await ask());
  expect(answers).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('a target that cannot be reached is passed over, and what the client sent is not lost', async () => {
  const echo = await backend('127.252.0.1', (socket) => socket.pipe(socket));
  const one = proxy();
  one.apply([rule([{ address: '127.252.0.9', port: PORT }, echo])]);
  await held(one);
  for (let i = 0; i < 4; i++) expect(await ask('payload')).toBe('payload');
});

test('a client that has sent all it had still gets its answer', async () => {
  const target = await backend('127.252.0.1', (socket) => {
    let size = 0;
    socket.on('data', (data) => (size += data.length)).on('end', () => socket.end(`${size} bytes`));
  });
  const one = proxy();
  one.apply([rule([target])]);
  await held(one);
  expect(await ask('x'.repeat(300_000))).toBe('300000 bytes');
});

test('SCTP is not served, which is said once a port', async () => {
  const said: unknown[] = [];
  const one = new UserspaceProxy({ clock: systemClock, log: { ...silentLog, warn: (facts) => void said.push(facts) } });
  closing.push(() => one.close());
  const rules = [rule([]), rule([], { key: `${SERVICE}:${PORT}/sctp`, protocol: 'sctp', service: 'ns/web:signal' })];
  one.apply(rules);
  one.apply(rules);
  await held(one);
  expect(one.held).toEqual([`${SERVICE}:${PORT}`]);
  expect(said).toEqual([{ address: `${SERVICE}:${PORT}/sctp`, service: 'ns/web:signal' }]);
});

test('without targets connections are refused', async () => {
  const one = proxy();
  one.apply([rule([])]);
  await held(one);
  expect(await ask()).toBeUndefined();
});

test('a target that leaves keeps its connections and gets no new ones', async () => {
  const talk: Socket[] = [];
  const leaving = await backend('127.252.0.1', (socket) => talk.push(socket));
  const staying = await backend('127.252.0.2', naming('staying'));
  const one = proxy();
  one.apply([rule([leaving])]);
  await held(one);
  let text = '';
  const client = connect({ host: SERVICE, port: PORT });
  const ended = new Promise<void>((done) => client.on('data', (data) => (text += data.toString())).on('end', done));
  await until('the connection', () => talk.length === 1);
  one.apply([rule([staying])]);
  expect([await ask(), await ask()]).toEqual(['staying', 'staying']);
  talk[0]!.end('still here');
  await ended;
  expect(text).toBe('still here');
  client.destroy();
});

test('a rule that goes takes its listener along, not its connections', async () => {
  const talk: Socket[] = [];
  const target = await backend('127.252.0.1', (socket) => talk.push(socket));
  const one = proxy();
  one.apply([rule([target])]);
  await held(one);
  let text = '';
  const client = connect({ host: SERVICE, port: PORT });
  const ended = new Promise<void>((done) => client.on('data', (data) => (text += data.toString())).on('end', done));
  await until('the connection', () => talk.length === 1);
  one.apply([]);
  await until('no listener', async () => (await ask()) === undefined);
  talk[0]!.end('to the end');
  await ended;
  expect(text).toBe('to the end');
  client.destroy();
});

test('a reset of the target is a reset for the client: half an answer does not look whole', async () => {
  const target = await backend('127.252.0.1', (socket) => socket.write('half', () => socket.resetAndDestroy()));
  const one = proxy();
  one.apply([rule([target])]);
  await held(one);
  expect(await ask()).toBeUndefined();
});

test('of two proxies one holds an address, and the other takes over within a second', async () => {
  const [first, second] = [proxy(), proxy()];
  first.apply([rule([await backend('127.252.0.1', naming('first'))])]);
  await held(first);
  second.apply([rule([await backend('127.252.0.2', naming('second'))])]);
  expect(await ask()).toBe('first');
  const start = systemClock.monotonic();
  await first.close();
  await held(second);
  expect(systemClock.monotonic() - start).toBeLessThan(1_000);
  expect(await ask()).toBe('second');
});

test('with affinity a client comes back to its target while it is there', async () => {
  const targets = [await backend('127.252.0.1', naming('a')), await backend('127.252.0.2', naming('b'))];
  const one = proxy();
  one.apply([rule(targets, { affinitySeconds: 60 })]);
  await held(one);
  expect([await ask(), await ask(), await ask()]).toEqual(['a', 'a', 'a']);
  one.apply([rule([targets[1]!], { affinitySeconds: 60 })]);
  expect(await ask()).toBe('b');
});

test('past its maximum of connections new ones are refused', async () => {
  const target = await backend('127.252.0.1', () => undefined);
  const one = proxy({ connectionsMax: 1 });
  one.apply([rule([target])]);
  await held(one);
  const client = connect({ host: SERVICE, port: PORT });
  closing.push(() => client.destroy());
  await new Promise((done) => client.on('connect', done));
  expect(await ask()).toBeUndefined();
});

test('a proxy takes over servers that listen already, and tries again where none can be had', async () => {
  const target = await backend('127.252.1.2', (socket) => socket.end('one'));
  let asked = 0;
  const listen: Listen = async (at) => {
    // Whoever had it has just gone.
    if (++asked === 1) throw Object.assign(new Error('taken'), { code: 'EADDRINUSE' });
    const opened = createServer();
    await new Promise<void>((done, failed) => opened.once('error', failed).listen(at, done));
    return opened;
  };
  const made = proxy({ listen });
  made.apply([rule([target])]);
  await until('it listens', () => made.held.length === 1 || undefined);
  const answer = await new Promise<string>((done, failed) => connect(PORT, SERVICE).once('error', failed).on('data', (data) => done(String(data))));
  expect([answer, asked]).toEqual(['one', 2]);
  made.apply([]);
  await until('nobody listens', () => new Promise<boolean | undefined>((done) => connect(PORT, SERVICE).once('error', () => done(true)).once('connect', () => done(undefined))));
});
