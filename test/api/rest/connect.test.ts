/** exec, attach and port-forward on a real port, before played agents: what is refused, and what is passed on. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Node } from '../../../src/proto/node.ts';
import { bind, RpcCode, RpcError, type CallContext, type Channel, type Handlers } from '../../../src/proto/rpc.ts';
import type { CommandInput, CommandOutput, PortInput } from '../../../src/proto/streams.ts';
import type { Init } from '../../../src/proto/wire.ts';
import { pod, quiet, ref } from '../fixture.ts';
import { ADMIN_TOKEN, refusalOf, startRest, VIEWER_TOKEN, type RestFixture, type RestOptions } from './fixture.ts';
import { data as spdyData, Packer } from '../../base/core/spdy/packer.ts';
import { until } from '../../until.ts';

const PODS = '/api/v1/namespaces/default/pods';
const EXEC = `${PODS}/web/exec?command=cat&stdin=true`;
const V5 = 'v5.channel.k8s.io';

/** What the agent was asked, and whether its streams have ended. */
class PlayedAgent {
  readonly starts: unknown[] = [];
  readonly sizes: unknown[] = [];
  open = 0;
  /** Bytes of input that it has taken. */
  taken = 0;
  /** Resolves when it goes on reading. */
  reading: Promise<void> = Promise.resolve();

  readonly handlers: Handlers<typeof Node> = {
    exec: (inputs, context) => this.#cat(inputs, context),
    attach: (inputs, context) => this.#cat(inputs, context),
    portForward: (inputs, context) => this.#echo(inputs, context),
  };

  /** `cat`, which ends with 3; `no-such` cannot be run, `not-running` is refused, `flood` writes without end. */
  async *#cat(inputs: AsyncIterable<CommandInput>, { signal }: CallContext): AsyncGenerator<Init<CommandOutput>> {
    this.open++;
    signal.addEventListener('abort', () => this.open--);
    for await (const { input } of inputs) {
      if (input?.case === 'start') {
        this.starts.push(input.value);
        const [command] = input.value.command;
        if (command === 'not-running') throw new RpcError(RpcCode.FAILED_PRECONDITION, 'container not found ("main")');
        yield { output: { case: 'started', value: {} } };
        if (command === 'no-such') return yield { output: { case: 'end', value: { error: 'there is no such program' } } };
        while (command === 'flood' && !signal.aborted) {
          this.taken += 65_536;
          yield { output: { case: 'stdout', value: new Uint8Array(65_536) } };
        }
      }
      await this.reading;
      if (input?.case === 'size') this.sizes.push(input.value);
      if (input?.case === 'stdin') {
        this.taken += input.value.length;
        yield { output: { case: 'stdout', value: input.value } };
      }
      if (input?.case === 'stdinEnd') break;
    }
    yield { output: { case: 'stderr', value: Buffer.from('done') } };
    yield { output: { case: 'end', value: { exitCode: 3 } } };
  }

  async *#echo(inputs: AsyncIterable<PortInput>, { signal }: CallContext) {
    this.open++;
    signal.addEventListener('abort', () => this.open--);
    for await (const { input } of inputs) {
      if (input?.case === 'start') {
        this.starts.push(input.value);
        if (input.value.port === 81) throw new RpcError(RpcCode.FAILED_PRECONDITION, 'failed to connect to 127.0.0.9:81: connection refused');
        yield { output: { case: 'started' as const, value: {} } };
      }
      if (input?.case === 'data') yield { output: { case: 'data' as const, value: Buffer.from(`<${Buffer.from(input.value).toString()}>`) } };
      if (input?.case === 'end') return;
    }
  }
}

async function world(options: RestOptions = {}): Promise<RestFixture & { readonly agent: PlayedAgent }> {
  const agent = new PlayedAgent();
  let clock = new DrivenClock();
  const connectToNode = (): Channel => directChannel({ services: [bind(Node, agent.handlers)], clock, log: quiet });
  const fixture = await startRest({ connectToNode, ...options });
  clock = fixture.clock;
  const { api } = fixture;
  await api.create(ref('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const status = { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } };
  await api.patch(ref('nodes', 'n1', '', 'status'), { type: 'merge', body: { status } });
  await api.create(ref('pods', '', 'default'), pod('web', { nodeName: 'n1' }));
  const containers = ['a', 'b'].map((name) => ({ name, image: 'x' }));
  await api.create(ref('pods', '', 'default'), pod('two', { nodeName: 'n1', containers, initContainers: [{ name: 'first', image: 'x' }] }));
  await api.create(ref('pods', '', 'default'), pod('unplaced'));
  return { ...fixture, agent };
}

interface Opened {
  readonly socket: WebSocket;
  /** What has come, `channel:text`, pieces of one channel joined. */
  readonly said: string[];
  closed(): Promise<number>;
}

async function open({ port, certificates }: RestFixture, path: string, protocols: string | readonly string[] = V5): Promise<Opened> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, [protocols].flat(), { ca: Buffer.from(certificates.ca), headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  onTestFinished(() => socket.terminate());
  const said: string[] = [];
  let last: number | undefined;
  socket.on('message', (message: Buffer) => {
    const text = message.toString('latin1', 1);
    if (message[0] === last) said[said.length - 1] += text;
    else said.push(`${message[0]!}:${text}`);
    last = message[0];
  });
  const closing = once(socket, 'close') as Promise<[number]>;
  closing.catch(() => undefined);
  await once(socket, 'open');
  return { socket, said, closed: async () => (await closing)[0] };
}

interface Tunnel {
  readonly socket: Duplex;
  /** What the server's messages hold. */
  readonly received: Buffer[];
  send(bytes: Uint8Array): void;
}

/** By hand: the library has no subprotocol with a slash. */
async function openTunnel({ port, certificates }: RestFixture, path: string): Promise<Tunnel> {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' };
  const call = request({ host: '127.0.0.1', port, path, ca: Buffer.from(certificates.ca), agent: false, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers } });
  call.end();
  const [response, socket] = (await once(call, 'upgrade')) as [IncomingMessage, Duplex];
  onTestFinished(() => void socket.destroy());
  expect(response.headers['sec-websocket-protocol']).toBe('SPDY/3.1+portforward.k8s.io');
  const received: Buffer[] = [];
  let rest = Buffer.alloc(0);
  socket.on('end', () => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2) {
      const isLong = rest[1] === 126;
      const [head, length] = isLong ? [4, rest.readUInt16BE(2)] : [2, rest[1]!];
      if (rest.length < head + length) break;
      if (rest[0] === 0x82) received.push(rest.subarray(head, head + length));
      rest = rest.subarray(head + length);
    }
  });
  // Masked with zeros.
  const send = (bytes: Uint8Array) => void socket.write(Buffer.concat([Buffer.from([0x82, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]));
  return { socket, received, send };
}

/** As a Status, whatever the request would have been upgraded to. */
function refused({ port, certificates }: RestFixture, path: string, { method = 'GET', token = ADMIN_TOKEN, headers = {} }: { readonly method?: string; readonly token?: string; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-protocol': V5 };
    const call = request({ host: '127.0.0.1', port, path, method, ca: Buffer.from(certificates.ca), agent: false, headers: { authorization: `Bearer ${token}`, ...upgrade, ...headers } }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        const { reason, message } = JSON.parse(text) as { reason: string; message: string };
        resolve(`${response.statusCode} ${reason}: ${message}`);
      });
    });
    call.on('upgrade', (_, socket) => {
      socket.destroy();
      resolve('101');
    });
    call.on('error', reject);
    call.end();
  });
}

/** Where it does not change any more over some turns, and some time. */
async function untilStill(what: string, value: () => number): Promise<void> {
  let before = -1;
  let same = 0;
  await until(what, () => {
    same = value() === before ? same + 1 : 0;
    before = value();
    return same >= 20;
  });
}

test('what can be said against a connection is said as an answer, in Kubernetes` words', async () => {
  const fixture = await world();
  const asked = (path: string, sent?: Parameters<typeof refused>[2]) => refused(fixture, path, sent);
  expect(await asked(`${PODS}/none/exec?command=ls`)).toBe('404 NotFound: pods "none" not found');
  expect(await asked(`${PODS}/web/exec?command=ls&container=zz`)).toBe('400 BadRequest: container zz is not valid for pod web');
  expect(await asked(`${PODS}/two/exec?command=ls`)).toBe('400 BadRequest: a container name must be specified for pod two, choose one of: [a b first]');
  expect(await asked(`${PODS}/unplaced/exec?command=ls`)).toBe('400 BadRequest: pod unplaced does not have a host assigned');
  expect(await asked(`${PODS}/unplaced/portforward`)).toBe('400 BadRequest: pod unplaced does not have a host assigned');
  expect(await asked(`${PODS}/web/exec`)).toBe('400 BadRequest: you must specify at least one command for the container');
  expect(await asked(`${PODS}/web/attach?stdout=false&stderr=false`)).toBe('400 BadRequest: you must specify at least 1 of stdin, stdout, stderr');
  expect(await asked(`${PODS}/web/exec?command=not-running`)).toBe('500 InternalError: Internal error occurred: unable to upgrade connection: container not found ("main")');
  expect(await asked(EXEC, { headers: { 'sec-websocket-protocol': 'chat' } })).toContain('400 BadRequest: unable to negotiate a subprotocol: the client supports [chat]');
  const spdy = { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v9' };
  expect(await asked(EXEC, { method: 'POST', headers: spdy })).toBe('403 Forbidden: unable to upgrade: unable to negotiate protocol: client supports [v9], server accepts [v4.channel.k8s.io]');
  expect(await asked(EXEC, { headers: { upgrade: 'h2c' } })).toBe('400 BadRequest: Upgrade request required');
  expect(await asked(EXEC, { method: 'DELETE' })).toContain('405 MethodNotAllowed');
  expect(await asked(EXEC, { token: 'wrong' })).toBe('401 Unauthorized: Unauthorized');
  expect(await asked(EXEC, { token: VIEWER_TOKEN })).toContain('cannot get resource "pods/exec" in API group "" in the namespace "default"');
  expect(await asked(EXEC, { token: VIEWER_TOKEN, method: 'POST' })).toContain('cannot create resource "pods/exec"');
  for (const ports of ['', '?ports=0', '?ports=x', '?ports=80,65536']) {
    expect(await asked(`${PODS}/web/portforward${ports}`, { headers: { 'sec-websocket-protocol': 'v4.channel.k8s.io' } })).toContain('400 BadRequest');
  }
  // A request that would upgrade what is no connection is answered like any other.
  expect(await asked(`${PODS}/none`)).toBe('404 NotFound: pods "none" not found');
  // HTTP/2 has no upgrade.
  expect(refusalOf(await fixture.client().get(EXEC))).toBe('400 BadRequest: Upgrade request required');
  expect(refusalOf(await fixture.client().request('POST', `${PODS}/web/portforward`))).toBe('400 BadRequest: Upgrade request required');
  await until('nothing is open at the agent', () => fixture.agent.open <= 0);
});

test('v5: input with its end, sizes, both outputs, and the exit code as a status', async () => {
  const fixture = await world();
  const { socket, said, closed } = await open(fixture, `${EXEC}&command=-n`, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
  expect(socket.protocol).toBe(V5);
  socket.send('\x04{"Width":80,"Height":24}');
  socket.send(Buffer.from('\0typed'));
  socket.send(Buffer.from('\x09what is this'));
  socket.send(Buffer.from([255, 0]));
  expect(await closed()).toBe(1000);
  expect(said.slice(0, 2)).toEqual(['1:typed', '2:done']);
  expect(JSON.parse(said[2]!.slice(2))).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '3' }] } });
  expect(fixture.agent.starts).toMatchObject([{ namespace: 'default', pod: 'web', container: 'main', command: ['cat', '-n'], stdin: true, stdout: true, stderr: true, tty: false }]);
  expect(fixture.agent.sizes).toEqual([{ width: 80, height: 24 }]);
});

test('a command that cannot be run is told by the status, and v4 has no end of input', async () => {
  const fixture = await world();
  const { said, closed } = await open(fixture, `${PODS}/web/exec?command=no-such`, 'v4.channel.k8s.io');
  expect(await closed()).toBe(1000);
  expect(JSON.parse(said[0]!.slice(2))).toMatchObject({ status: 'Failure', reason: 'InternalError', message: 'Internal error occurred: there is no such program' });
  const attached = await open(fixture, `${PODS}/web/attach?stdin=true`, 'v4.channel.k8s.io');
  attached.socket.send(Buffer.from([255, 0]));
  attached.socket.send(Buffer.from('\0still heard'));
  await until('it is heard', () => attached.said.includes('1:still heard'));
});

test('a client that goes ends what it has at the agent; so does the server when it stops', async () => {
  const fixture = await world();
  const { agent, face } = fixture;
  const first = await open(fixture, EXEC);
  await until('it runs', () => agent.open === 1);
  first.socket.terminate();
  await until('it has ended', () => agent.open === 0);
  const second = await open(fixture, EXEC);
  await until('it runs', () => agent.open === 1);
  const stopping = face.stop();
  expect(await second.closed()).toBeGreaterThanOrEqual(1000);
  await until('it has ended', () => agent.open === 0);
  await fixture.clock.advance(10_000);
  await stopping;
});

test('who reads nothing is not read ahead for, and holds up nobody else', async () => {
  const fixture = await world();
  const { agent } = fixture;
  const slow = await open(fixture, `${PODS}/web/exec?command=flood`);
  slow.socket.pause();
  await untilStill('the agent is held back', () => agent.taken);
  const other = await open(fixture, EXEC);
  other.socket.send(Buffer.from('\0quick'));
  await until('another is served', () => other.said.includes('1:quick'));
  expect(agent.taken).toBeLessThan(32 * 1024 * 1024);
});

test('an agent that does not read holds back the client', async () => {
  const fixture = await world();
  let goOn = () => {};
  fixture.agent.reading = new Promise((resolve) => (goOn = resolve));
  const { socket, closed } = await open(fixture, EXEC);
  const piece = Buffer.alloc(65_537);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 400; sent++) await new Promise((resolve) => socket.send(piece, resolve));
  })();
  await untilStill('the client cannot send any more', () => sent);
  expect(sent).toBeLessThan(300);
  goOn();
  await sending;
  socket.send(Buffer.from([255, 0]));
  await closed();
  expect(fixture.agent.taken).toBe(400 * 65_536);
});

test('it counts as long-running: past the limit the next is refused, and what is written down tells both', async () => {
  const fixture = await world({ limits: { watchesMax: 1 } });
  // An administrator is refused only past five times the limit.
  const opened = [];
  for (let n = 0; n < 5; n++) opened.push(await open(fixture, EXEC));
  expect(await refused(fixture, EXEC)).toContain('429 TooManyRequests');
  opened[0]!.socket.send(Buffer.from([255, 0]));
  await opened[0]!.closed();
  await until('all is written down', () => fixture.audit.filter(({ stage }) => stage === 'ResponseComplete').length > 0);
  const entries = fixture.audit.filter(({ objectRef }) => (objectRef as { subresource?: string } | undefined)?.subresource === 'exec');
  expect(entries.map(({ stage, verb, responseStatus }) => [stage, verb, (responseStatus as { code?: number } | undefined)?.code])).toEqual([
    ...opened.map(() => ['ResponseStarted', 'get', 101]),
    ['ResponseComplete', 'get', 101],
  ]);
});

test('ports by channels: each begins with its number, and errors have their own', async () => {
  const fixture = await world();
  const { socket, said } = await open(fixture, `${PODS}/web/portforward?ports=8080,81`, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
  expect(socket.protocol).toBe('v4.channel.k8s.io');
  socket.send(Buffer.from('\0hello'));
  await until('both have answered', () => said.some((line) => line.includes('<hello>')) && said.some((line) => line.includes('refused')));
  const all = (channel: number) => said.filter((line) => line.startsWith(`${channel}:`)).map((line) => line.slice(2)).join('');
  expect(all(0)).toBe('\x90\x1f<hello>');
  expect(all(3)).toContain('error forwarding port 81 to pod web_default, uid ');
  expect(all(3)).toContain('failed to connect to 127.0.0.9:81: connection refused');
  socket.close();
  await until('nothing is open at the agent', () => fixture.agent.open <= 0);
});

test('ports by SPDY within a WebSocket: pairs of streams, and nonsense ends the connection', async () => {
  const fixture = await world();
  const tunnel = await openTunnel(fixture, `${PODS}/web/portforward`);
  const { received } = tunnel;
  const packer = new Packer();
  for (const [id, port] of [[1, '8080'], [5, '81']] as const) {
    tunnel.send(await packer.open(id, { streamtype: 'error', port, requestid: port }, true));
    tunnel.send(await packer.open(id + 2, { streamtype: 'data', port, requestid: port }));
  }
  tunnel.send(spdyData(3, 'hi'));
  await until('both have answered', () => Buffer.concat(received).includes('<hi>') && Buffer.concat(received).includes('connection refused'));
  tunnel.send(spdyData(3, '', true));
  // Data and error end with it.
  const end = (id: number) => Buffer.from([0, 0, 0, id, 1, 0, 0, 0]);
  await until('both streams end', () => Buffer.concat(received).includes(end(3)) && Buffer.concat(received).includes(end(1)));
  const closing = once(tunnel.socket, 'close');
  tunnel.send(Buffer.from('80020001000000ff', 'hex'));
  await closing;
  await until('nothing is open at the agent', () => fixture.agent.open <= 0);
});
