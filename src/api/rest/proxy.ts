/**
 * HTTP to pods and services by way of the API server: `/api/v1/namespaces/NS/pods/NAME:PORT/proxy/PATH`. A request goes
 * on over a connection that the pod's node opens (as port-forward's do), so that the API server needs no way to pods; a
 * service's goes to one of its ready pods.
 *
 * - Who asks is not told: what lets a caller in stays here.
 * - Redirects lead back below the proxy; links in pages are left as they are (kube-apiserver rewrites some).
 * - A request's body is taken whole first, with the limit that bodies have; answers and upgraded connections stream.
 * - A service whose endpoints are no pods cannot be reached by this way, and says so. Nodes serve no HTTP.
 */
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import type { Pod, Service } from 'kubernetes-types/core/v1.js';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { describeError } from '../../base/errors.ts';
import { ApiError, badRequest } from '../../kube/errors.ts';
import { typed } from '../../kube/types.ts';
import type { PodStreams } from '../pod-streams.ts';
import type { Registry } from '../registry.ts';
import type { Ref } from '../requests.ts';
import { parseTarget, requestHeaders, responseHeaders, type ProxyTarget } from './core/proxy-target.ts';
import type { Exchange } from './exchange.ts';
import { PortDuplex } from './streams/port-duplex.ts';

export interface ProxyOptions {
  readonly registry: Registry;
  readonly streams: PodStreams;
  readonly random: { between(low: number, high: number): number };
}

/** A port of a pod. */
interface Place {
  readonly pod: string;
  readonly port: number;
  readonly scheme: ProxyTarget['scheme'];
  /** As whom it is addressed. */
  readonly host: string;
}

const DEFAULT_PORT: Readonly<Record<ProxyTarget['scheme'], number>> = { http: 80, https: 443 };
const PORT_MAX = 65_535;
const REDIRECT = 301;

export function isProxy({ group, resource, subresource }: Pick<Ref, 'group' | 'resource' | 'subresource'>): boolean {
  return group === '' && subresource === 'proxy' && (resource === 'pods' || resource === 'services' || resource === 'nodes');
}

export class ProxyFace {
  readonly #options: ProxyOptions;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** `path`: what stands behind `…/proxy`, as it came. */
  async serve(exchange: Exchange, ref: Ref, path: string): Promise<void> {
    if (ref.resource === 'nodes') throw new ApiError('NotImplemented', 'the agent of a node serves no HTTP: it is asked over gRPC alone');
    const prefix = path === '' ? exchange.path : exchange.path.slice(0, -path.length);
    // Relative links of a page at the root would lead elsewhere.
    if (path === '' && exchange.upgrade === undefined && (exchange.method === 'GET' || exchange.method === 'HEAD')) {
      return exchange.reply.sendBytes(REDIRECT, new Uint8Array(0), { Location: `${prefix}/${queryOf(exchange)}` });
    }
    const place = ref.resource === 'pods' ? await this.#pod(ref) : await this.#service(ref);
    const { connect } = await this.#options.streams.place({ namespace: ref.namespace, name: place.pod });
    const body = exchange.upgrade === undefined ? await exchange.body() : undefined;
    const call = await connect(place.port, exchange.signal).catch((error: unknown) => {
      throw unreachable(error);
    });
    const connection = new PortDuplex(call);
    try {
      const asked = ask(exchange, { place, prefix, path: `${path === '' ? '/' : path}${queryOf(exchange)}`, connection, bodyBytes: body?.length });
      asked.end(body !== undefined && body.length > 0 ? body : undefined);
      await pass(exchange, { asked, prefix, host: place.host });
    } finally {
      connection.destroy();
    }
  }

  async #pod({ namespace, name: text }: Ref): Promise<Place> {
    const { scheme, name, port } = parseTarget(text, 'pod');
    const { spec, status } = typed<Pod>(await this.#options.registry.get(refTo('', 'pods', namespace, name)));
    const first = spec?.containers.find(({ ports = [] }) => ports.length > 0)?.ports?.[0]?.containerPort;
    const number = port === '' ? (first ?? DEFAULT_PORT[scheme]) : portNumber(port);
    if (number === undefined) throw badRequest(`invalid pod request ${JSON.stringify(text)}`);
    return { pod: name, port: number, scheme, host: `${status?.podIP ?? name}:${number}` };
  }

  /** One of the pods that are ready, by chance. */
  async #service({ namespace, name: text }: Ref): Promise<Place> {
    const { registry, random } = this.#options;
    const { scheme, name, port } = parseTarget(text, 'service');
    const { spec } = typed<Service>(await registry.get(refTo('', 'services', namespace, name)));
    const number = portNumber(port);
    const named = number === undefined ? port : spec?.ports?.find((one) => one.port === number)?.name;
    if (named === undefined && !spec?.ports?.some((one) => one.port === number)) {
      throw new ApiError('ServiceUnavailable', `no service port ${number} found for service "${name}"`);
    }
    const { items } = await registry.list(refTo('discovery.k8s.io', 'endpointslices', namespace, ''), { labelSelector: `kubernetes.io/service-name=${name}` });
    const ready = items.flatMap((item) => readyOf(typed<EndpointSlice>(item), named ?? ''));
    if (ready.length === 0) throw new ApiError('ServiceUnavailable', `no endpoints available for service "${name}"`);
    const pods = ready.filter(({ pod }) => pod !== '');
    if (pods.length === 0) throw new ApiError('ServiceUnavailable', `the endpoints of service "${name}" are no pods: the API server has no way to them`);
    return { ...pods[random.between(0, pods.length - 1)]!, scheme };
  }
}

function refTo(group: string, resource: string, namespace: string, name: string): Ref {
  return { group, version: 'v1', resource, namespace, name, subresource: '' };
}

function portNumber(text: string): number | undefined {
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number > 0 && number <= PORT_MAX ? number : undefined;
}

function readyOf({ endpoints, ports }: EndpointSlice, portName: string): { readonly pod: string; readonly port: number; readonly host: string }[] {
  const port = ports?.find(({ name }) => (name ?? '') === portName)?.port;
  if (port === undefined) return [];
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .map(({ targetRef, addresses }) => ({ pod: targetRef?.kind === 'Pod' ? (targetRef.name ?? '') : '', port, host: `${addresses[0] ?? ''}:${port}` }));
}

function queryOf({ url }: Exchange): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at);
}

interface Asking {
  readonly place: Place;
  readonly prefix: string;
  readonly path: string;
  readonly connection: Duplex;
  readonly bodyBytes: number | undefined;
}

function ask({ method, headers, upgrade, remoteAddress }: Exchange, { place, prefix, path, connection, bodyBytes }: Asking): ClientRequest {
  const forwarded = { host: place.host, client: remoteAddress, prefix, bodyBytes: bodyBytes === 0 ? undefined : bodyBytes, upgrade: upgrade?.protocol };
  // Certificates of pods are signed by whoever: kube-apiserver, too, does not look at them.
  const over = place.scheme === 'http' ? connection : tlsConnect({ socket: connection, rejectUnauthorized: false });
  return httpRequest({ method, path, headers: requestHeaders(headers, forwarded), createConnection: () => over, setHost: false });
}

interface Passing {
  readonly asked: ClientRequest;
  readonly prefix: string;
  readonly host: string;
}

/** Resolves when the answer, or the connection that it became, is over. */
function pass(exchange: Exchange, passing: Passing): Promise<void> {
  const { asked } = passing;
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      asked.destroy();
      resolve();
    };
    exchange.signal.addEventListener('abort', giveUp, { once: true });
    if (exchange.signal.aborted) giveUp();
    const settle = (work: Promise<void>) => work.then(resolve, reject);
    asked.once('error', (error) => reject(unreachable(error)));
    asked.once('response', (answer) => void settle(passAnswer(exchange, answer, passing)));
    asked.once('upgrade', (answer: IncomingMessage, socket: Duplex, head: Buffer) => void settle(joinSockets(exchange, { answer, socket, head })));
  });
}

async function passAnswer({ reply, method }: Exchange, answer: IncomingMessage, { prefix, host }: Passing): Promise<void> {
  reply.open(answer.statusCode ?? 502, responseHeaders(answer.headers, prefix, host));
  if (method === 'HEAD') return reply.end();
  try {
    for await (const bytes of answer) {
      await reply.write(bytes as Buffer); // no encoding was asked for
      if (reply.isOver) break;
    }
    reply.end();
  } catch {
    // What came is not the whole, and must not look so.
    reply.destroy();
  } finally {
    answer.destroy();
  }
}

interface Switched {
  readonly answer: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function joinSockets({ upgrade, reply, signal }: Exchange, { answer, socket, head }: Switched): Promise<void> {
  if (upgrade === undefined) {
    socket.destroy();
    throw new ApiError('ServiceUnavailable', 'error trying to reach service: it speaks another protocol than was asked for');
  }
  reply.switched();
  const { socket: client, head: early } = upgrade.take();
  const lines = [];
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) lines.push(`${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}\r\n`);
  client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
  if (head.length > 0) client.write(head);
  if (early.length > 0) socket.write(early);
  return new Promise((resolve) => {
    const end = () => {
      client.destroy();
      socket.destroy();
      resolve();
    };
    for (const one of [client, socket]) one.on('error', end).once('close', end);
    signal.addEventListener('abort', end, { once: true });
    client.pipe(socket).pipe(client);
  });
}

function unreachable(error: unknown): ApiError {
  const why = error instanceof ApiError ? error.message : describeError(error);
  return new ApiError('ServiceUnavailable', `error trying to reach service: ${why}`, { cause: error });
}
