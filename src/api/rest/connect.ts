/**
 * Requests that become connections: exec, attach and port-forward. What can be said against one is said as an answer, and
 * only then is it upgraded: to a WebSocket, or to SPDY/3.1 as clients before 1.31 do and newer ones fall back to.
 */
import { ApiError, badRequest, methodNotAllowed } from '../../kube/errors.ts';
import type { CommandRequest, PodStreams } from '../pod-streams.ts';
import type { Ref } from '../requests.ts';
import { CHANNEL_PROTOCOLS, type ChannelProtocol } from './core/command-channels.ts';
import { flag } from './core/query.ts';
import type { Verb } from './core/routes.ts';
import type { Exchange } from './exchange.ts';
import type { Upgrade } from './http.ts';
import { ChannelPeer, SpdyPeer, type CommandPeer } from './streams/command-peer.ts';
import { relayCommand } from './streams/relay-command.ts';
import { relayChannelPorts, relaySpdyPorts } from './streams/relay-ports.ts';
import { acceptRaw, acceptWebSocket, type Transport } from './streams/transport.ts';

const SPDY = 'spdy/3.1';
const SPDY_COMMAND = 'v4.channel.k8s.io';
const SPDY_PORTS = 'portforward.k8s.io';
/** Bytes of SPDY as messages of a WebSocket. */
const TUNNEL = `SPDY/3.1+${SPDY_PORTS}`;
const PORTS_MAX = 100;

export type ConnectKind = 'exec' | 'attach' | 'portforward';

export function connectKind({ group, resource, subresource }: Pick<Ref, 'group' | 'resource' | 'subresource'>): ConnectKind | undefined {
  if (group !== '' || resource !== 'pods') return undefined;
  return subresource === 'exec' || subresource === 'attach' || subresource === 'portforward' ? subresource : undefined;
}

export class ConnectFace {
  readonly #streams: PodStreams;

  constructor(streams: PodStreams) {
    this.#streams = streams;
  }

  async serve(exchange: Exchange, ref: Ref, { kind, verb }: { readonly kind: ConnectKind; readonly verb: Verb }): Promise<void> {
    if (verb !== 'get' && verb !== 'create') throw methodNotAllowed();
    if (kind === 'portforward') return this.#ports(exchange, ref);
    return this.#command(exchange, commandRequest(exchange.query, ref, kind), kind);
  }

  async #command(exchange: Exchange, request: CommandRequest, kind: 'exec' | 'attach'): Promise<void> {
    await this.#streams.check(request);
    const upgrade = upgradeOf(exchange);
    const chosen = upgrade.protocol === SPDY ? chooseSpdy(exchange, [SPDY_COMMAND]) : chooseWebSocket(exchange, CHANNEL_PROTOCOLS);
    const call = await this.#streams.command(kind, request, exchange.signal);
    try {
      const transport = await accept(exchange, upgrade, chosen);
      if (transport === undefined) return;
      const peer: CommandPeer = upgrade.protocol === SPDY ? new SpdyPeer(transport, request) : new ChannelPeer(transport, chosen as ChannelProtocol); // one of the list
      await relayCommand({ peer, transport, call, signal: exchange.signal });
    } finally {
      call.cancel();
    }
  }

  async #ports(exchange: Exchange, { namespace, name }: Ref): Promise<void> {
    const place = await this.#streams.place({ namespace, name });
    const upgrade = upgradeOf(exchange);
    const chosen = upgrade.protocol === SPDY ? chooseSpdy(exchange, [SPDY_PORTS]) : chooseWebSocket(exchange, [TUNNEL, ...CHANNEL_PROTOCOLS].filter((one) => one !== 'v5.channel.k8s.io'));
    const isByStreams = upgrade.protocol === SPDY || chosen === TUNNEL;
    const ports = isByStreams ? [] : portsOf(exchange.query);
    const transport = await accept(exchange, upgrade, chosen);
    if (transport === undefined) return;
    const options = { transport, place, pod: `${name}_${namespace}`, signal: exchange.signal };
    await (isByStreams ? relaySpdyPorts(options) : relayChannelPorts(options, ports));
  }
}

function commandRequest(query: URLSearchParams, { namespace, name }: Ref, kind: 'exec' | 'attach'): CommandRequest {
  const byDefault = (stream: string) => !query.has(stream) || flag(query, stream);
  const tty = flag(query, 'tty');
  const request = {
    namespace,
    name,
    container: query.get('container') ?? '',
    command: kind === 'exec' ? query.getAll('command') : [],
    stdin: flag(query, 'stdin'),
    stdout: byDefault('stdout'),
    // A terminal has one output.
    stderr: byDefault('stderr') && !tty,
    tty,
  };
  if (!request.stdin && !request.stdout && !request.stderr) throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  if (kind === 'exec' && request.command.join('') === '') throw badRequest('you must specify at least one command for the container');
  return request;
}

function upgradeOf({ upgrade }: Exchange): Upgrade {
  if (upgrade === undefined || (upgrade.protocol !== 'websocket' && upgrade.protocol !== SPDY)) throw badRequest('Upgrade request required');
  return upgrade;
}

function offered({ headers }: Exchange, name: string): string[] {
  return (headers[name]?.toString() ?? '').split(',').map((one) => one.trim()).filter((one) => one !== '');
}

function chooseWebSocket(exchange: Exchange, known: readonly string[]): string {
  const all = offered(exchange, 'sec-websocket-protocol');
  const chosen = known.find((one) => all.includes(one));
  if (chosen === undefined) throw badRequest(`unable to negotiate a subprotocol: the client supports [${all.join(' ')}], the server accepts [${known.join(' ')}]`);
  return chosen;
}

function chooseSpdy(exchange: Exchange, known: readonly string[]): string {
  const all = offered(exchange, 'x-stream-protocol-version');
  const chosen = known.find((one) => all.includes(one));
  if (chosen !== undefined) return chosen;
  throw new ApiError('Forbidden', `unable to upgrade: unable to negotiate protocol: client supports [${all.join(' ')}], server accepts [${known.join(' ')}]`);
}

async function accept({ reply }: Exchange, upgrade: Upgrade, chosen: string): Promise<Transport | undefined> {
  reply.switched();
  return upgrade.protocol === SPDY ? acceptRaw(upgrade, { 'X-Stream-Protocol-Version': chosen }) : acceptWebSocket(upgrade, chosen);
}

function portsOf(query: URLSearchParams): number[] {
  const texts = query.getAll('ports').flatMap((text) => text.split(','));
  if (texts.length === 0) throw badRequest('query parameter "ports" is required');
  if (texts.length > PORTS_MAX) throw badRequest(`at most ${PORTS_MAX} ports at a time`);
  return texts.map((text) => {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw badRequest(`unable to parse ${JSON.stringify(text)} as a port: it must be from 1 to 65535`);
    return port;
  });
}
