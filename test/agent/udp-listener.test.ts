/** UDP through the userspace proxy, on real sockets of 127.x. */
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import type { ProxyRule, Target } from '../../src/agent/core/proxy-rules.ts';
import { UserspaceProxy } from '../../src/agent/proxy.ts';
import { UdpListener, type UdpListenerOptions } from '../../src/agent/udp-listener.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';

const SERVICE = '127.252.2.1';
const PORT = 18_182;
const closing: (() => unknown)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

const rule = (targets: readonly Target[], more: Partial<ProxyRule> = {}): ProxyRule => ({
  key: `${SERVICE}:${PORT}/udp`,
  protocol: 'udp',
  address: SERVICE,
  port: PORT,
  service: 'ns/dns:dns',
  targets,
  ...more,
});

async function listening(targets: readonly Target[], options: Partial<UdpListenerOptions> = {}, more: Partial<ProxyRule> = {}): Promise<UdpListener> {
  const made = new UdpListener(rule(targets, more), { clock: systemClock, log: silentLog, ...options });
  closing.push(() => made.close());
  if (targets.length > 0) await expect.poll(() => made.isListening).toBe(true);
  return made;
}

/** Answers with its name, from where it was asked, and counts the sockets that ask it. */
async function backend(name: string, address: string): Promise<Target & { readonly askers: Set<number> }> {
  const socket = createSocket('udp4');
  const askers = new Set<number>();
  socket.on('message', (bytes, from) => {
    askers.add(from.port);
    socket.send(`${name} ${bytes.toString()}`, from.port, from.address);
  });
  await new Promise<void>((done) => socket.bind(PORT, address, () => done()));
  closing.push(() => socket.close());
  return { address, port: PORT, askers };
}

async function client(): Promise<(word: string) => Promise<string>> {
  const socket: Socket = createSocket('udp4');
  closing.push(() => socket.close());
  await new Promise<void>((done) => socket.connect(PORT, SERVICE, done));
  return (word) =>
    new Promise((done) => {
      const timer = setTimeout(() => done('nothing'), 1_000);
      const settle = (answer: string) => {
        clearTimeout(timer);
        socket.removeAllListeners();
        done(answer);
      };
      socket.once('message', (bytes) => settle(bytes.toString()));
      socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? ''));
      socket.send(word);
    });
}

test('a client’s datagrams go to one target, other clients’ to the next; answers come from where was asked', async () => {
  const targets = [await backend('a', '127.252.2.2'), await backend('b', '127.252.2.3')];
  await listening(targets);
  const [one, two] = [await client(), await client()];
  expect([await one('1'), await one('2'), await two('3'), await one('4')]).toEqual(['a 1', 'a 2', 'b 3', 'a 4']);
  expect(targets.map(({ askers }) => askers.size)).toEqual([1, 1]);
});

test('with an affinity all of a client’s sockets go where its first went', async () => {
  const targets = [await backend('a', '127.252.2.2'), await backend('b', '127.252.2.3')];
  await listening(targets, {}, { affinitySeconds: 60 });
  expect([await (await client())('1'), await (await client())('2'), await (await client())('3')]).toEqual(['a 1', 'a 2', 'a 3']);
});

test('a flow whose target goes is sent to another at once; one whose target stays is left alone', async () => {
  const [a, b] = [await backend('a', '127.252.2.2'), await backend('b', '127.252.2.3')];
  const listener = await listening([a, b]);
  const [one, two] = [await client(), await client()];
  expect([await one('1'), await two('1')]).toEqual(['a 1', 'b 1']);
  listener.rule = rule([b]);
  expect([await one('2'), await two('2')]).toEqual(['b 2', 'b 2']);
  expect(b.askers.size).toBe(2);
});

test('without targets nobody listens: refused at once, and served when there is one', async () => {
  const listener = await listening([]);
  const ask = await client();
  expect(await ask('1')).toBe('ECONNREFUSED');
  const target = await backend('a', '127.252.2.2');
  listener.rule = rule([target]);
  await expect.poll(() => listener.isListening).toBe(true);
  expect(await ask('2')).toBe('a 2');
  listener.rule = rule([]);
  expect(listener.isListening).toBe(false);
  expect(await ask('3')).toBe('ECONNREFUSED');
});

test('a target that refuses is left, and the next datagram goes to another', async () => {
  const nobody = { address: '127.252.2.9', port: PORT };
  const there = await backend('a', '127.252.2.2');
  await listening([nobody, there]);
  const ask = await client();
  expect(await ask('1')).toBe('nothing');
  expect(await ask('2')).toBe('a 2');
});

test('silent flows end, and past their maximum the one that has been silent for longest', async () => {
  const target = await backend('a', '127.252.2.2');
  await listening([target], { flowsMax: 2 });
  const [one, two, three] = [await client(), await client(), await client()];
  for (const ask of [one, two, one, three]) await ask('x');
  expect(target.askers.size).toBe(3);
  await one('still the same flow');
  expect(target.askers.size).toBe(3);
  await two('another one');
  expect(target.askers.size).toBe(4);
  const idle = await backend('b', '127.252.2.4');
  const short = new UdpListener(rule([idle], { address: '127.252.2.8', key: 'short' }), { clock: systemClock, log: silentLog, flowIdleMs: 20 });
  closing.push(() => short.close());
  await expect.poll(() => short.isListening).toBe(true);
  const socket = createSocket('udp4');
  closing.push(() => socket.close());
  await expect
    .poll(() => {
      socket.send('x', PORT, '127.252.2.8');
      return idle.askers.size;
    }, { interval: 50, timeout: 5_000 })
    .toBeGreaterThan(2);
});

test('of two proxies one holds an address, and the other takes over; TCP of the same port is apart', async () => {
  const target = await backend('a', '127.252.2.2');
  const make = () => {
    const made = new UserspaceProxy({ clock: systemClock, log: silentLog });
    closing.push(() => made.close());
    made.apply([rule([target]), rule([target], { protocol: 'tcp', key: `${SERVICE}:${PORT}` })]);
    return made;
  };
  const first = make();
  await expect.poll(() => first.held.length).toBe(2);
  const second = make();
  expect(await (await client())('1')).toBe('a 1');
  await first.close();
  await expect.poll(() => second.held.length, { timeout: 3_000 }).toBe(2);
  expect(await (await client())('2')).toBe('a 2');
});
