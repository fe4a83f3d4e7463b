/**
 * A process in a network namespace that serves and asks there, by commands in lines of JSON on its standard input. Started
 * by `network.ts`; ends with it.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ProxyRule } from '../../../src/agent/core/proxy-rules.ts';
import { UserspaceProxy } from '../../../src/agent/proxy.ts';
import { DnsServer } from '../../../src/agent/dns/dns-server.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { systemRandom } from '../../../src/base/system-random.ts';
import type { EndpointSlice, Service } from '../../../src/client/objects.ts';
import { systemErrorCode } from '../../../src/base/errors.ts';

export type Command =
  | { readonly do: 'serve'; readonly name: string; readonly port: number; readonly address?: string }
  | { readonly do: 'serve-udp'; readonly name: string; readonly port: number; readonly address?: string }
  /** The cluster's DNS, of these objects. */
  | { readonly do: 'dns'; readonly address: string; readonly port: number; readonly services: readonly Service[]; readonly slices: readonly EndpointSlice[] }
  /** A proxy as the agent has it where there is no packet filter. */
  | { readonly do: 'proxy'; readonly rules: readonly ProxyRule[] }
  /** Nobody new; connections go on. */
  | { readonly do: 'stop'; readonly name: string }
  /** `count` connections one after the other: what the servers called themselves and the client, or the errors' codes. */
  | { readonly do: 'ask'; readonly address: string; readonly port: number; readonly count: number; readonly timeoutMs?: number }
  | { readonly do: 'ask-udp'; readonly address: string; readonly port: number; readonly fromPort?: number; readonly timeoutMs?: number }
  /** Connections without pause until `unload`: how many went well, by server, and all errors. */
  | { readonly do: 'load'; readonly address: string; readonly port: number; readonly streams: number }
  /** Answers when every connection of the load that was under way is over. */
  | { readonly do: 'load-turn' }
  | { readonly do: 'unload' }
  /** A connection that stays; each `say` sends a word and answers what came back. */
  | { readonly do: 'hold'; readonly address: string; readonly port: number }
  | { readonly do: 'say'; readonly word: string };

export interface LoadResult {
  readonly answers: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

const servers = new Map<string, Server | UdpSocket>();
const underWay = new Set<Promise<string>>();
let held: Socket | undefined;
let isLoading = false;
let load: Promise<LoadResult> | undefined;

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'serve':
      return serve(command);
    case 'serve-udp':
      return serveUdp(command);
    case 'dns': {
      const dns = new DnsServer({ domain: 'cluster.local', ownCidrs: [], upstreams: [], clock: systemClock, random: systemRandom(), log: silentLog });
      dns.update(command.services, command.slices);
      return dns.listen(command.address, command.port);
    }
    case 'proxy':
      return proxy(command.rules);
    case 'stop':
      servers.get(command.name)?.close();
      return undefined;
    case 'ask': {
      const answers: string[] = [];
      for (let i = 0; i < command.count; i++) answers.push(await ask(command.address, command.port, command.timeoutMs ?? 3_000));
      return answers;
    }
    case 'ask-udp':
      return askUdp(command);
    case 'load':
      isLoading = true;
      load = run(command.address, command.port, command.streams);
      return undefined;
    case 'load-turn':
      return Promise.all(underWay).then(() => undefined);
    case 'unload':
      isLoading = false;
      return load;
    case 'hold':
      return hold(command.address, command.port);
    case 'say':
      return say(command.word);
  }
}

async function proxy(rules: readonly ProxyRule[]): Promise<void> {
  const made = new UserspaceProxy({ clock: systemClock, log: silentLog });
  made.apply(rules);
  while (made.held.length < rules.length) await new Promise((go) => setTimeout(go, 5));
}

/** Says its name and who asks, then what it is told. */
function serve({ name, port, address }: { readonly name: string; readonly port: number; readonly address?: string }): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`${name} ${socket.remoteAddress ?? ''}\n`);
    socket.pipe(socket);
  });
  servers.set(name, server);
  return new Promise((done, failed) => server.once('error', failed).listen({ port, host: address ?? '0.0.0.0', backlog: 511 }, done));
}

function serveUdp({ name, port, address = '0.0.0.0' }: { readonly name: string; readonly port: number; readonly address?: string }): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port: to, address: at }) => socket.send(`${name} ${at} ${message.toString()}`, to, at));
  servers.set(name, socket);
  return new Promise((done, failed) => socket.once('error', failed).bind(port, address, () => done()));
}

function ask(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect({ host, port, timeout: timeoutMs });
    const settle = (answer: string) => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => socket.end());
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.once('end', () => settle(text.trim()));
    socket.once('timeout', () => settle('TIMEOUT'));
    socket.once('error', (error) => settle(systemErrorCode(error) ?? 'ERROR'));
  });
}

function askUdp(asked: { readonly address: string; readonly port: number; readonly fromPort?: number; readonly timeoutMs?: number }): Promise<string> {
  const socket = createSocket('udp4');
  return new Promise((done) => {
    const settle = (answer: string) => {
      clearTimeout(timer);
      socket.close();
      done(answer);
    };
    const timer = setTimeout(() => settle('TIMEOUT'), asked.timeoutMs ?? 1_000);
    socket.once('error', (error) => settle(systemErrorCode(error) ?? 'ERROR'));
    socket.once('message', (message) => settle(message.toString().trim()));
    socket.bind(asked.fromPort ?? 0, () =>
      socket.connect(asked.port, asked.address, () => socket.send('x', (error) => (error ? settle(systemErrorCode(error) ?? 'ERROR') : undefined))),
    );
  });
}

async function run(address: string, port: number, streams: number): Promise<LoadResult> {
  const answers: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const one = async () => {
    while (isLoading) {
      const asked = ask(address, port, 3_000);
      underWay.add(asked);
      const answer = await asked;
      underWay.delete(asked);
      const [name = ''] = answer.split(' ');
      const into = answer.includes(' ') ? answers : errors;
      into[name] = (into[name] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: streams }, one));
  return { answers, errors };
}

function hold(host: string, port: number): Promise<string> {
  held?.destroy();
  const socket = connect({ host, port });
  held = socket;
  return new Promise((done) => {
    socket.once('error', (error) => done(systemErrorCode(error) ?? 'ERROR'));
    socket.once('data', (chunk) => done(chunk.toString().trim()));
  });
}

function say(word: string): Promise<string> {
  const socket = held;
  if (socket === undefined || socket.destroyed) return Promise.resolve('CLOSED');
  return new Promise((done) => {
    socket.once('error', (error) => done(systemErrorCode(error) ?? 'ERROR'));
    socket.once('data', (chunk) => done(chunk.toString().trim()));
    socket.write(word);
  });
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    // From network.ts alone.
    const { id, command } = JSON.parse(line) as { id: number; command: Command };
    obey(command)
      .then((result) => ({ id, result }))
      .catch((error: unknown) => ({ id, error: String(error) }))
      .then((answer) => process.stdout.write(JSON.stringify(answer) + '\n'))
      .catch(() => undefined);
  })
  .on('close', () => process.exit(0));
