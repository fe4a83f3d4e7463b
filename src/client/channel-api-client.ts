/**
 * `ApiClient` over a channel to podium.api.v1.Resources, whatever carries it: gRPC (src/grpc/channel.ts), straight to
 * the handlers (src/proto/direct-channel.ts), or the simulator's network. Objects travel as JSON bytes, so that no two
 * parts share one. Calls are never repeated here: whoever called knows whether that is safe.
 */
import { asBuffer, fromUtf8 } from '../base/bytes.ts';
import { AbortedError } from '../base/errors.ts';
import { ApiError, type Reason } from '../kube/errors.ts';
import { REQUEST_BODY_BYTES_MAX } from '../kube/limits.ts';
import {
  Encoding,
  PatchType,
  Resources,
  type DeleteCollectionRequest,
  type DeleteRequest,
  type Object as WireObject,
  type ResourceRef as WireRef,
} from '../proto/api.ts';
import { RpcCode, RpcError, type Channel } from '../proto/rpc.ts';
import { decodeStatusDetails, structToJson } from '../proto/struct.ts';
import type { Init, MethodDescriptor } from '../proto/wire.ts';
import type {
  ApiClient,
  ApplyOptions,
  CreateOptions,
  DeleteCollectionOptions,
  DeleteOptions,
  GetOptions,
  List,
  ListOptions,
  NewObject,
  PatchOptions,
  ResourceRef,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './api-client.ts';
import { apiError, statusError, type ReceivedStatus } from './api-error.ts';
import type { ApiObject } from './objects.ts';

/** Longer than the API server's own request timeout, so that its answer, not ours, is what a caller sees. */
const CALL_TIMEOUT_MS = 35_000;

const PATCH_TYPES = { merge: PatchType.MERGE, strategic: PatchType.STRATEGIC, json: PatchType.JSON_PATCH } as const;

export interface ChannelApiClientOptions {
  readonly channel: Channel;
  /** Sent with every write that names none. */
  readonly fieldManager?: string;
  readonly callTimeoutMs?: number;
}

export class ChannelApiClient implements ApiClient {
  readonly #channel: Channel;
  readonly #fieldManager: string;
  readonly #callTimeoutMs: number;

  constructor({ channel, fieldManager = '', callTimeoutMs = CALL_TIMEOUT_MS }: ChannelApiClientOptions) {
    this.#channel = channel;
    this.#fieldManager = fieldManager;
    this.#callTimeoutMs = callTimeoutMs;
  }

  async get<T extends ApiObject>(ref: ResourceRef, name: string, options: GetOptions = {}): Promise<T> {
    const { subresource, ...table } = options;
    return this.#object(Resources.methods.get, { ref: refOf(ref, name, subresource), encoding: Encoding.JSON, ...table });
  }

  async list<T extends ApiObject>(ref: ResourceRef, options: ListOptions = {}): Promise<List<T>> {
    const { signal, ...selectors } = options;
    const request = { ref: refOf(ref), encoding: Encoding.JSON, ...selectors };
    const response = await this.#unary(Resources.methods.list, request, signal);
    const items = response.items.map((item) => decodeObject<T>(item));
    return { resourceVersion: response.resourceVersion, continue: response.continue, items };
  }

  async *watch<T extends ApiObject>(ref: ResourceRef, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>> {
    const { signal, ...selectors } = options;
    const request = { ref: refOf(ref), encoding: Encoding.JSON, ...selectors };
    try {
      for await (const event of this.#channel.serverStream(Resources.methods.watch, request, { signal })) {
        yield decodeEvent<T>(event);
      }
    } catch (error) {
      throw toApiError(error, signal);
    }
  }

  async create<T extends ApiObject>(ref: ResourceRef, object: NewObject<T>, options: CreateOptions = {}): Promise<T> {
    const wire = refOf(ref, options.name ?? object.metadata.name, options.subresource);
    return this.#object(Resources.methods.create, { ...this.#write(options), ref: wire, object: encodeObject(object) });
  }

  update<T extends ApiObject>(ref: ResourceRef, object: T, options: WriteOptions = {}): Promise<T> {
    return this.updateSubresource(ref, '', object, options);
  }

  updateStatus<T extends ApiObject>(ref: ResourceRef, object: T, options: WriteOptions = {}): Promise<T> {
    return this.updateSubresource(ref, 'status', object, options);
  }

  async updateSubresource<T extends ApiObject>(
    ref: ResourceRef,
    subresource: string,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const wire = refOf(ref, object.metadata.name, subresource);
    return this.#object(Resources.methods.update, { ...this.#write(options), ref: wire, object: encodeObject(object) });
  }

  async patch<T extends ApiObject>(ref: ResourceRef, name: string, options: PatchOptions): Promise<T> {
    return this.#object(Resources.methods.patch, {
      ...this.#write(options),
      ref: refOf(ref, name, options.subresource),
      patchType: PATCH_TYPES[options.type],
      patch: { case: 'patchJson', value: encodeJson(options.patch) },
      preconditions: options.preconditions,
    });
  }

  async apply<T extends ApiObject>(ref: ResourceRef, config: NewObject<T>, options: ApplyOptions = {}): Promise<T> {
    const { force = false } = options;
    const request = { ...this.#write(options), force, ref: refOf(ref, config.metadata.name), object: encodeObject(config) };
    return this.#object(Resources.methods.apply, request);
  }

  delete<T extends ApiObject>(ref: ResourceRef, name: string, options: DeleteOptions = {}): Promise<T> {
    const request: Init<DeleteRequest> = { ...options, ref: refOf(ref, name), encoding: Encoding.JSON };
    return this.#object(Resources.methods.delete, request);
  }

  async deleteCollection<T extends ApiObject>(
    ref: ResourceRef,
    options: DeleteCollectionOptions = {},
  ): Promise<readonly T[]> {
    const request: Init<DeleteCollectionRequest> = { ...options, ref: refOf(ref), encoding: Encoding.JSON };
    const response = await this.#unary(Resources.methods.deleteCollection, request);
    return response.items.map((item) => decodeObject<T>(item));
  }

  #write({ fieldManager = this.#fieldManager, dryRun = false }: WriteOptions) {
    return { encoding: Encoding.JSON, fieldManager, dryRun };
  }

  async #object<Q, T extends ApiObject>(
    method: MethodDescriptor<Q, { object: WireObject | undefined; warnings: string[] }>,
    request: Init<Q>,
  ): Promise<T> {
    return decodeObject<T>((await this.#unary(method, request)).object);
  }

  async #unary<Q, S>(method: MethodDescriptor<Q, S>, request: Init<Q>, signal?: AbortSignal): Promise<S> {
    try {
      return await this.#channel.unary(method, request, { signal, timeoutMs: this.#callTimeoutMs });
    } catch (error) {
      throw toApiError(error, signal);
    }
  }
}

function refOf(ref: ResourceRef, name = '', subresource = ''): Init<WireRef> {
  const { group, version, resource, namespace = '' } = ref;
  return { group, version, resource, namespace, name, subresource };
}

function encodeObject(object: object): Init<WireObject> {
  return { encoding: { case: 'json', value: encodeJson(object) } };
}

/** A server that refuses a body unread could not say more than this, and would be sent all of it. */
function encodeJson(value: unknown): Uint8Array {
  const bytes = fromUtf8(JSON.stringify(value));
  if (bytes.length <= REQUEST_BODY_BYTES_MAX) return bytes;
  const message = `Request entity too large: limit is ${REQUEST_BODY_BYTES_MAX}, the object has ${bytes.length} bytes`;
  throw apiError('RequestEntityTooLarge', message);
}

function decodeObject<T>(object: WireObject | undefined): T {
  return decodeJson(object) as T; // the server stores only what it has validated as an object of its kind
}

function decodeJson(object: WireObject | undefined): unknown {
  const encoding = object?.encoding;
  if (encoding === undefined) throw apiError('InternalError', 'the API server answered without an object');
  if (encoding.case === 'fields') return structToJson(encoding.value);
  try {
    return JSON.parse(asBuffer(encoding.value).toString('utf8'));
  } catch (cause) {
    throw apiError('InternalError', 'the API server answered with an object that is not JSON', cause);
  }
}

function decodeEvent<T extends ApiObject>(event: {
  type: string;
  object: WireObject | undefined;
  resourceVersion: string;
}): WatchEvent<T> {
  const { type, resourceVersion } = event;
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED': {
      const object = decodeObject<T>(event.object);
      return { type, object, resourceVersion: resourceVersion || (object.metadata.resourceVersion ?? '') };
    }
    case 'BOOKMARK':
      if (resourceVersion !== '') return { type, resourceVersion };
      return { type, resourceVersion: decodeObject<T>(event.object).metadata.resourceVersion ?? '' };
    case 'ERROR':
      throw statusError(decodeJson(event.object) as ReceivedStatus); // the object of an ERROR is a metav1.Status
    default:
      throw apiError('InternalError', `the API server sent an event of an unknown type: ${type}`);
  }
}

/** For answers that carry no `metav1.Status`, such as those of a transport that could not reach the server. */
const REASONS: Readonly<Partial<Record<RpcCode, Reason>>> = {
  [RpcCode.INVALID_ARGUMENT]: 'BadRequest',
  [RpcCode.DEADLINE_EXCEEDED]: 'Timeout',
  [RpcCode.NOT_FOUND]: 'NotFound',
  [RpcCode.ALREADY_EXISTS]: 'AlreadyExists',
  [RpcCode.PERMISSION_DENIED]: 'Forbidden',
  // Without a status it is the transport that speaks, and of sizes only.
  [RpcCode.RESOURCE_EXHAUSTED]: 'RequestEntityTooLarge',
  [RpcCode.FAILED_PRECONDITION]: 'Conflict',
  [RpcCode.ABORTED]: 'Conflict',
  [RpcCode.OUT_OF_RANGE]: 'Expired',
  [RpcCode.UNIMPLEMENTED]: 'MethodNotAllowed',
  [RpcCode.UNAVAILABLE]: 'ServiceUnavailable',
  [RpcCode.UNAUTHENTICATED]: 'Unauthorized',
};

function toApiError(error: unknown, signal?: AbortSignal): Error {
  if (signal?.aborted) return new AbortedError('call to the API server');
  if (error instanceof ApiError) return error;
  if (!(error instanceof RpcError)) return apiError('InternalError', 'the call to the API server failed', error);
  const status = error.details === undefined ? undefined : decodeStatusDetails(error.details);
  // What the details of an answer hold is a metav1.Status by the contract of podium.api.v1.
  if (status !== undefined) return statusError(status as ReceivedStatus, error);
  return apiError(REASONS[error.code] ?? 'InternalError', error.message, error);
}
