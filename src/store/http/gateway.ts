/**
 * etcd's JSON gateway: POST /v3/… with a message as JSON calls the same handlers as gRPC does. One table says which path
 * is which method; the rest is the descriptors' and src/proto/json.ts's. Errors and streams look as grpc-gateway's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeJson, encodeJson, JsonError, type Json } from '../../proto/json.ts';
import { RpcCode, RpcError, type BoundService, type CallOptions, type Channel } from '../../proto/rpc.ts';
import type { MethodDescriptor } from '../../proto/wire.ts';

type Method = MethodDescriptor<unknown, unknown>;

/** Path below /v3/ → method. What is missing of a service answers Unimplemented; a path that is not here, 404. */
const ROUTES: Readonly<Record<string, string>> = {
  ...routes('kv', 'etcdserverpb.KV', { range: 'Range', put: 'Put', deleterange: 'DeleteRange', txn: 'Txn', compaction: 'Compact' }),
  watch: '/etcdserverpb.Watch/Watch',
  ...routes('lease', 'etcdserverpb.Lease', { grant: 'LeaseGrant', revoke: 'LeaseRevoke', keepalive: 'LeaseKeepAlive', timetolive: 'LeaseTimeToLive', leases: 'LeaseLeases' }),
  // As they were called in 3.3, and still are.
  ...routes('kv/lease', 'etcdserverpb.Lease', { revoke: 'LeaseRevoke', timetolive: 'LeaseTimeToLive', leases: 'LeaseLeases' }),
  ...routes('cluster/member', 'etcdserverpb.Cluster', { add: 'MemberAdd', remove: 'MemberRemove', update: 'MemberUpdate', list: 'MemberList', promote: 'MemberPromote' }),
  ...routes('maintenance', 'etcdserverpb.Maintenance', {
    alarm: 'Alarm', status: 'Status', defragment: 'Defragment', hash: 'Hash', hashkv: 'HashKV', snapshot: 'Snapshot',
    'transfer-leadership': 'MoveLeader', downgrade: 'Downgrade',
  }),
  ...routes('auth', 'etcdserverpb.Auth', { enable: 'AuthEnable', disable: 'AuthDisable', status: 'AuthStatus', authenticate: 'Authenticate' }),
  ...routes('auth/user', 'etcdserverpb.Auth', {
    add: 'UserAdd', get: 'UserGet', list: 'UserList', delete: 'UserDelete', changepw: 'UserChangePassword', grant: 'UserGrantRole', revoke: 'UserRevokeRole',
  }),
  ...routes('auth/role', 'etcdserverpb.Auth', {
    add: 'RoleAdd', get: 'RoleGet', list: 'RoleList', delete: 'RoleDelete', grant: 'RoleGrantPermission', revoke: 'RoleRevokePermission',
  }),
  ...routes('lock', 'v3lockpb.Lock', { lock: 'Lock', unlock: 'Unlock' }),
  ...routes('election', 'v3electionpb.Election', { campaign: 'Campaign', proclaim: 'Proclaim', leader: 'Leader', observe: 'Observe', resign: 'Resign' }),
};

function routes(prefix: string, service: string, methods: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(methods).map(([end, method]) => [`${prefix}/${end}`, `/${service}/${method}`]));
}

/** grpc-gateway's. */
const HTTP_STATUS: Readonly<Record<RpcCode, number>> = {
  [RpcCode.OK]: 200,
  [RpcCode.CANCELLED]: 408,
  [RpcCode.UNKNOWN]: 500,
  [RpcCode.INVALID_ARGUMENT]: 400,
  [RpcCode.DEADLINE_EXCEEDED]: 504,
  [RpcCode.NOT_FOUND]: 404,
  [RpcCode.ALREADY_EXISTS]: 409,
  [RpcCode.PERMISSION_DENIED]: 403,
  [RpcCode.RESOURCE_EXHAUSTED]: 429,
  [RpcCode.FAILED_PRECONDITION]: 400,
  [RpcCode.ABORTED]: 409,
  [RpcCode.OUT_OF_RANGE]: 400,
  [RpcCode.UNIMPLEMENTED]: 501,
  [RpcCode.INTERNAL]: 500,
  [RpcCode.UNAVAILABLE]: 503,
  [RpcCode.DATA_LOSS]: 500,
  [RpcCode.UNAUTHENTICATED]: 401,
};

/** What a request of the largest size may have around it: the names of fields, blanks. */
const AROUND_REQUEST_BYTES = 1024 * 1024;

export interface GatewayOptions {
  /** Leads to the handlers of `services`. */
  readonly channel: Channel;
  readonly services: readonly BoundService[];
  /** Of a request as gRPC has it; its bytes are base64 here. */
  readonly requestBytesMax: number;
}

export class Gateway {
  readonly #channel: Channel;
  readonly #methods = new Map<string, Method>();
  readonly #bodyBytesMax: number;

  constructor({ channel, services, requestBytesMax }: GatewayOptions) {
    this.#channel = channel;
    this.#bodyBytesMax = Math.ceil((requestBytesMax * 4) / 3) + AROUND_REQUEST_BYTES;
    for (const { service } of services) for (const method of Object.values(service.methods)) this.#methods.set(method.path, method);
  }

  /** `path`: what stands behind /v3/. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = this.#methods.get(ROUTES[path] ?? '');
    try {
      if (method === undefined) throw new RpcError(RpcCode.NOT_FOUND, 'Not Found');
      if (request.method !== 'POST') throw new RpcError(RpcCode.UNIMPLEMENTED, 'Method Not Allowed');
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const message = parseBody(method, await readBody(request, this.#bodyBytesMax));
      const options = { signal: gone.signal, ...metadataOf(request) };
      if (method.responseStream) await this.#stream(method, message, { response, options });
      else {
        const answer = await this.#channel.unary(method, message as object, options); // decoded from its own bytes
        send(response, 200, toJson(method, answer));
      }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (response.headersSent) response.end(`${JSON.stringify({ error: errorBody(error) })}\n`);
      else send(response, HTTP_STATUS[error.code], errorBody(error));
    }
  }

  /** A line each: {"result": …}. A watch has one request here, and goes on until its caller hangs up. */
  async #stream(
    method: Method,
    message: unknown,
    { response, options }: { readonly response: ServerResponse; readonly options: CallOptions },
  ): Promise<void> {
    const answers = method.requestStream ? this.#bidi(method, message, options) : this.#channel.serverStream(method, message as object, options);
    for await (const answer of answers) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/json' });
      const isRoom = response.write(`${JSON.stringify({ result: toJson(method, answer) })}\n`);
      if (!isRoom) await new Promise<void>((resolve) => void response.once('drain', resolve).once('close', resolve));
    }
    response.end();
  }

  #bidi(method: Method, message: unknown, options: CallOptions): AsyncIterable<unknown> {
    const call = this.#channel.bidi(method, options);
    call.send(message as object); // decoded from its own bytes
    // The end of the requests ends a lease's keepalive after its answer; a watch is to go on.
    if (!method.path.endsWith('/Watch')) call.end();
    return call.responses;
  }
}

function metadataOf({ headers }: IncomingMessage): Pick<CallOptions, 'metadata'> {
  const { authorization } = headers;
  return authorization === undefined ? {} : { metadata: { token: authorization } };
}

/** Of what is too long the rest is read and thrown away: left where it is, it would block the connection's next request. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (bytes > bytesMax) throw new RpcError(RpcCode.INVALID_ARGUMENT, 'etcdserver: request is too large');
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(method: Method, text: string): unknown {
  try {
    const json = JSON.parse(text === '' ? '{}' : text) as Json; // which is what JSON.parse answers
    return method.request.decode(encodeJson(method.request.typeName, json));
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof JsonError) throw new RpcError(RpcCode.INVALID_ARGUMENT, cause.message, { cause });
    throw cause;
  }
}

function toJson(method: Method, answer: unknown): Json {
  return decodeJson(method.response.typeName, method.response.encode(answer as object)); // decoded by the same codec
}

function errorBody({ code, message }: RpcError): Json {
  return { error: message, code, message };
}

function send(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
