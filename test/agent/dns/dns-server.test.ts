/** The cluster's DNS on real sockets of 127.x, asked by Node.js' resolver and by hand. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { DnsServer, type DnsServerOptions } from '../../../src/agent/dns/dns-server.ts';
import { DnsUpstream } from '../../../src/agent/dns/dns-upstream.ts';
import { decodeMessage, encodeMessage, parseName, Rcode, RecordType, type Message } from '../../../src/agent/core/dns-message.ts';
import { silentLog } from '../../../src/base/log.ts';
import { Registry } from '../../../src/base/prometheus.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { endpoint, service, slice } from '../nftables/objects.ts';

const ADDRESS = '127.96.0.10';
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const services = [
  service('web', { clusterIP: '10.96.0.10', ports: [{ name: 'http', port: 80 }] }),
  service('db', { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] }),
  service('out', { type: 'ExternalName', externalName: 'www.example.com' }),
];
const crowd = Array.from({ length: 200 }, (_, at) => endpoint(`10.244.9.${at + 1}`, { hostname: `db-${at}` }));
const slices = [slice('db', crowd)];
let port = 0;

async function start(options: Partial<DnsServerOptions> = {}, address = ADDRESS): Promise<DnsServer> {
  const server = new DnsServer({ domain: 'cluster.local', ownCidrs: ['10.0.0.0/8'], upstreams: [], clock: systemClock, random: seededRandom(1), log: silentLog, ...options });
  closing.push(() => server.close());
  // A port that is free for both.
  for (let tries = 0; ; tries++) {
    port = await freePort(address);
    try {
      await server.listen(address, port);
      return server;
    } catch (error) {
      if (tries > 5) throw error;
    }
  }
}

async function freePort(address: string): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, address, () => done()));
  const found = socket.address().port;
  await new Promise<void>((done) => socket.close(() => done()));
  return found;
}

async function fed(options: Partial<DnsServerOptions> = {}, address = ADDRESS): Promise<DnsServer> {
  const server = await start(options, address);
  server.update(services, slices);
  return server;
}

function resolver(timeout = 2_000): Resolver {
  const made = new Resolver({ timeout, tries: 1 });
  made.setServers([`${ADDRESS}:${port}`]);
  return made;
}

const codeOf = (asked: Promise<unknown>) => asked.then(() => 'answered', (error: { code?: string }) => error.code);

const EMPTY = decodeMessage(Buffer.alloc(12));
const question = (name: string, type: number = RecordType.A) => ({ name: parseName(name), type, class: 1 });
const query = (of: Partial<Message>) => encodeMessage({ ...EMPTY, id: 7, recursionDesired: true, ...of }, 65_535);

/** What comes back to a datagram; undefined: nothing did. */
async function send(bytes: Uint8Array, waitMs = 2_000): Promise<Message | undefined> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((done) => {
      const timer = systemClock.setTimer(waitMs, () => done(undefined));
      socket.once('message', (answer) => {
        timer.cancel();
        done(decodeMessage(answer));
      });
      socket.send(bytes, port, ADDRESS);
    });
  } finally {
    socket.close();
  }
}

test('a stock resolver finds services, endpoints, ports and names of addresses', async () => {
  await fed();
  const dns = resolver();
  expect(await dns.resolve4('web.ns.svc.cluster.local', { ttl: true })).toEqual([{ address: '10.96.0.10', ttl: 5 }]);
  expect(await codeOf(dns.resolve6('web.ns.svc.cluster.local'))).toBe('ENODATA');
  expect(await codeOf(dns.resolve4('nobody.ns.svc.cluster.local'))).toBe('ENOTFOUND');
  expect(await codeOf(dns.resolve4('www.example.com'))).toBe('EREFUSED');
  expect(await dns.resolveSrv('_http._tcp.web.ns.svc.cluster.local')).toEqual([{ name: 'web.ns.svc.cluster.local', port: 80, priority: 0, weight: 100 }]);
  expect(await dns.reverse('10.96.0.10')).toEqual(['web.ns.svc.cluster.local']);
  expect(await dns.reverse('10.244.9.3')).toEqual(['db-2.db.ns.svc.cluster.local']);
  expect(await dns.resolveTxt('dns-version.cluster.local')).toEqual([['1.1.0']]);
  expect(await dns.resolve4('db-7.db.ns.svc.cluster.local')).toEqual(['10.244.9.8']);
});

test('an answer that is too long for UDP is cut short and asked for again over TCP, whole; each asks in another order', async () => {
  await fed();
  const cut = await send(query({ questions: [question('db.ns.svc.cluster.local')] }));
  expect(cut).toMatchObject({ isTruncated: true, rcode: 0 });
  expect(cut?.answers.length).toBe(29);
  const larger = await send(query({ questions: [question('db.ns.svc.cluster.local')], edns: { udpBytes: 4_096, version: 0 } }));
  expect(larger).toMatchObject({ isTruncated: true, edns: { udpBytes: 1_232 } });
  expect(larger?.answers.length).toBeGreaterThan(60);
  const one = await resolver().resolve4('db.ns.svc.cluster.local');
  const two = await resolver().resolve4('db.ns.svc.cluster.local');
  expect(new Set(one).size).toBe(200);
  expect([...two].sort()).toEqual([...one].sort());
  expect(two).not.toEqual(one);
});

test('before it has heard of any service it says that it cannot tell', async () => {
  const server = await start();
  expect((await send(query({ questions: [question('web.ns.svc.cluster.local')] })))?.rcode).toBe(Rcode.SERVFAIL);
  server.update([], []);
  const none = await send(query({ questions: [question('web.ns.svc.cluster.local')] }));
  // How long that may be believed.
  expect([none?.rcode, none?.authorities[0]]).toMatchObject([Rcode.NXDOMAIN, { ttl: 5, data: { type: 'SOA', times: [7_200, 1_800, 86_400, 5] } }]);
});

test('what is damaged is refused by its header, answers are not answered, and it goes on', async () => {
  await fed();
  const good = query({ questions: [question('web.ns.svc.cluster.local')] });
  expect(await send(good.subarray(0, 20))).toMatchObject({ id: 7, rcode: Rcode.FORMERR, isResponse: true });
  expect(await send(good.subarray(0, 11), 100)).toBeUndefined();
  const answer = Buffer.from(good);
  answer[2] = answer[2]! | 0x80;
  expect(await send(answer, 100)).toBeUndefined();
  expect((await send(good))?.answers).toHaveLength(1);
});

async function open(): Promise<Socket> {
  const socket = connect(port, ADDRESS);
  closing.push(() => socket.destroy());
  socket.on('error', () => undefined);
  await new Promise((done) => socket.once('connect', done));
  return socket;
}

const framed = (bytes: Uint8Array) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

test('TCP: many questions at once, cut anywhere; who asks nothing, or comes when there are too many, is sent away', async () => {
  await fed({ connectionsMax: 2, idleMs: 1_000 });
  const asking = await open();
  const all = Buffer.concat(Array.from({ length: 100 }, (_, id) => framed(query({ id, questions: [question('web.ns.svc.cluster.local')] }))));
  const received: Buffer[] = [];
  const ids = new Set<number>();
  const done = new Promise<void>((go) =>
    asking.on('data', (chunk: Buffer) => {
      received.push(chunk);
      let bytes = Buffer.concat(received);
      ids.clear();
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        ids.add(bytes.readUInt16BE(2));
        bytes = bytes.subarray(2 + bytes.readUInt16BE(0));
      }
      if (ids.size === 100) go();
    }),
  );
  for (let at = 0; at < all.length; at += 77) asking.write(all.subarray(at, at + 77));
  await done;
  const idle = await open();
  const closed = (socket: Socket) => new Promise((go) => socket.once('close', go));
  const surplus = await open();
  await closed(surplus);
  expect(idle.destroyed).toBe(false);
  await Promise.all([closed(idle), closed(asking)]);
});

/** A server outside; `answers` says what it does with each question. */
async function outside(answers: (asked: Message, count: number) => Uint8Array | undefined): Promise<{ readonly port: number; readonly asked: Message[] }> {
  const asked: Message[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const message = decodeMessage(bytes);
    asked.push(message);
    const reply = answers(message, asked.length);
    if (reply !== undefined) socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((go) => socket.bind(0, '127.96.0.53', () => go()));
  closing.push(() => socket.close());
  return { port: socket.address().port, asked };
}

function reply(asked: Message, of: Partial<Message> = {}): Uint8Array {
  const answers = [{ name: asked.questions[0]!.name, type: RecordType.A, ttl: 60, data: { type: 'A' as const, address: '192.0.2.80' } }];
  return encodeMessage({ ...asked, isResponse: true, recursionAvailable: true, answers, edns: undefined, ...of }, 65_535);
}

test('what is not the cluster’s is asked for outside: as it stands, and behind the name that a service stands for', async () => {
  const upstream = await outside((asked) => reply(asked));
  await fed({ upstreams: [{ address: '127.96.0.53', port: upstream.port }] });
  const dns = resolver();
  expect(await dns.resolve4('www.example.com', { ttl: true })).toEqual([{ address: '192.0.2.80', ttl: 60 }]);
  expect(await dns.resolve4('out.ns.svc.cluster.local')).toEqual(['192.0.2.80']);
  expect(await codeOf(dns.resolve4('nobody.ns.svc.cluster.local'))).toBe('ENOTFOUND');
  expect(await codeOf(dns.reverse('10.1.2.3'))).toBe('ENOTFOUND');
  expect(upstream.asked.map(({ questions }) => questions[0]!.name.join('.'))).toEqual(['www.example.com', 'www.example.com']);
});

test('an answer with another number or to another question is passed over; a silent server is passed by for the next one', async () => {
  const silent = await outside(() => undefined);
  const lying = await outside((asked, count) =>
    reply(asked, count === 1 ? { id: (asked.id + 1) % 65_536 } : { questions: [question('evil.example.com')] }),
  );
  const honest = await outside((asked) => reply(asked));
  await fed({ upstreamTimeoutMs: 150, upstreams: [silent, lying, honest].map((one) => ({ address: '127.96.0.53', port: one.port })) });
  expect(await resolver().resolve4('www.example.com')).toEqual(['192.0.2.80']);
  expect([silent.asked.length, lying.asked.length, honest.asked.length]).toEqual([1, 1, 1]);
});

test('an upstream server to which there is no way is passed over', async () => {
  const upstream = await outside((asked) => reply(asked));
  // The kernel refuses it at once, as it does an address without a route.
  await fed({ upstreams: [{ address: '255.255.255.255', port: 53 }, { address: '127.96.0.53', port: upstream.port }] });
  expect(await resolver().resolve4('www.example.com')).toHaveLength(1);
});

test('where nobody answers it says so in time, and asks once for all that want to know', async () => {
  const silent = await outside(() => undefined);
  await fed({ upstreamTimeoutMs: 200, upstreams: [{ address: '127.96.0.53', port: silent.port }] });
  const asks = Array.from({ length: 20 }, () => send(query({ questions: [question('www.example.com')] })));
  expect((await Promise.all(asks)).map((answer) => answer?.rcode)).toEqual(Array(20).fill(Rcode.SERVFAIL));
  expect(silent.asked).toHaveLength(2);
});

test('where there is no way to it says so, and goes on', async () => {
  // To everybody at once: the kernel lets no ordinary socket connect there.
  await fed({ upstreamTimeoutMs: 200, upstreams: [{ address: '255.255.255.255', port: 53 }] });
  expect((await send(query({ questions: [question('www.example.com')] })))?.rcode).toBe(Rcode.SERVFAIL);
  expect(await resolver().resolve4('web.ns.svc.cluster.local')).toEqual(['10.96.0.10']);
});

test('what a server outside cuts short is asked of it over TCP by who wants the whole', async () => {
  const short = await outside((asked) => reply(asked, { answers: [], isTruncated: true }));
  const whole = createServer((socket) =>
    socket.on('error', () => undefined).once('data', (bytes: Buffer) => {
      const answer = framed(reply(decodeMessage(bytes.subarray(2))));
      // In pieces, the first of them half of the length.
      socket.write(answer.subarray(0, 1), () => socket.write(answer.subarray(1)));
    }),
  );
  await new Promise<void>((go) => whole.listen(short.port, '127.96.0.53', go));
  closing.push(() => whole.close());
  await fed({ upstreams: [{ address: '127.96.0.53', port: short.port }] });
  expect(await resolver().resolve4('www.example.com')).toEqual(['192.0.2.80']);
  expect(short.asked).toHaveLength(1);
});

test('so many questions wait for servers outside, and no more; another of the same waits along', async () => {
  const silent = await outside(() => undefined);
  const upstream = new DnsUpstream({ servers: [{ address: '127.96.0.53', port: silent.port }], clock: systemClock, random: seededRandom(1), timeoutMs: 5_000, outstandingMax: 2 });
  closing.push(() => upstream.close());
  const waiting = ['a', 'b', 'A'].map((name) => upstream.ask(question(`${name}.example.com`), 'udp'));
  expect(upstream.outstanding).toBe(2);
  const more = upstream.ask(question('c.example.com'), 'udp');
  expect(upstream.outstanding).toBe(2);
  expect(await more).toBeUndefined();
  upstream.close();
  expect(await Promise.all(waiting)).toEqual([undefined, undefined, undefined]);
});

test('a server that sends our questions back to us makes no flood', async () => {
  let count = 0;
  const mirror = createSocket('udp4');
  mirror.on('message', (bytes) => {
    count++;
    mirror.send(bytes, port, ADDRESS);
  });
  await new Promise<void>((go) => mirror.bind(0, '127.96.0.53', () => go()));
  closing.push(() => mirror.close());
  await fed({ upstreamTimeoutMs: 200, upstreams: [{ address: '127.96.0.53', port: mirror.address().port }] });
  expect((await send(query({ questions: [question('www.example.com')] })))?.rcode).toBe(Rcode.SERVFAIL);
  expect(count).toBeLessThanOrEqual(4);
});

test('a server does not listen where it would ask itself, and counts what it says', async () => {
  const server = new DnsServer({ domain: 'cluster.local', ownCidrs: [], upstreams: [{ address: ADDRESS, port: 53 }], clock: systemClock, random: seededRandom(1), log: silentLog });
  await expect(server.listen(ADDRESS, 53)).rejects.toThrow('it would ask itself');
  const counted = await fed();
  const registry = new Registry();
  counted.register(registry);
  await send(query({ questions: [question('web.ns.svc.cluster.local')] }));
  await send(query({ questions: [question('x.ns.svc.cluster.local')] }));
  const text = await registry.text();
  expect(text).toContain('podium_dns_answers_total{transport="udp",rcode="0"} 1');
  expect(text).toContain('podium_dns_answers_total{transport="udp",rcode="3"} 1');
  expect(text).toContain('podium_dns_answer_seconds_count 2');
});
