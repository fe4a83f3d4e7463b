/**
 * podium.api.v1.Resources over the registry: from messages to plain JSON and back, and refusals to gRPC codes with the
 * metav1.Status in their details. Decides nothing.
 */
import { fromUtf8, toUtf8 } from '../../base/bytes.ts';
import { ApiError, badRequest, type Reason } from '../../kube/errors.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import {
  Encoding,
  PatchType as WirePatchType,
  Resources,
  type ApiObject,
  type PatchRequest,
  type Preconditions as WirePreconditions,
  type ResourceRef,
  type WatchEvent,
  type WatchRequest,
} from '../../proto/api.ts';
import { bind, RpcCode, RpcError, type BoundService, type CallContext } from '../../proto/rpc.ts';
import { encodeStatusDetails, structFromJson, structToJson, valueToJson } from '../../proto/struct.ts';
import { WireError, type Init } from '../../proto/wire.ts';
import type { Clock } from '../../base/clock.ts';
import type { FieldValidation } from '../core/draft.ts';
import type { Kind } from '../kinds/kind.ts';
import type { PatchType, Ref, Registry, Written } from '../registry.ts';
import type { CacheEvent } from '../watch-cache.ts';

/** Objects within objects: more is no manifest but an attack on recursion. */
const JSON_DEPTH_MAX = 64;

const PATCH_TYPES: Readonly<Record<number, PatchType>> = {
  [WirePatchType.MERGE]: 'merge',
  [WirePatchType.STRATEGIC]: 'strategic',
  [WirePatchType.JSON_PATCH]: 'json',
};

const CODES: Readonly<Record<Reason, RpcCode>> = {
  BadRequest: RpcCode.INVALID_ARGUMENT,
  Unauthorized: RpcCode.UNAUTHENTICATED,
  Forbidden: RpcCode.PERMISSION_DENIED,
  NotFound: RpcCode.NOT_FOUND,
  MethodNotAllowed: RpcCode.UNIMPLEMENTED,
  NotAcceptable: RpcCode.INVALID_ARGUMENT,
  AlreadyExists: RpcCode.ALREADY_EXISTS,
  Conflict: RpcCode.ABORTED,
  Expired: RpcCode.OUT_OF_RANGE,
  RequestEntityTooLarge: RpcCode.RESOURCE_EXHAUSTED,
  UnsupportedMediaType: RpcCode.INVALID_ARGUMENT,
  Invalid: RpcCode.INVALID_ARGUMENT,
  TooManyRequests: RpcCode.RESOURCE_EXHAUSTED,
  InternalError: RpcCode.INTERNAL,
  NotImplemented: RpcCode.UNIMPLEMENTED,
  ServiceUnavailable: RpcCode.UNAVAILABLE,
  Timeout: RpcCode.DEADLINE_EXCEEDED,
};

export function mapApiError(error: unknown): RpcError | undefined {
  if (error instanceof WireError) return mapApiError(badRequest(error.message));
  if (!(error instanceof ApiError)) return undefined;
  const code = CODES[error.reason];
  const details = encodeStatusDetails({ code, message: error.message, json: error.toStatus() });
  return new RpcError(code, error.message, { details, cause: error });
}

export function resourcesService(registry: Registry, clock: Clock): BoundService {
  const written = ({ object, warnings }: Written, encoding: number) => ({
    object: encodeObject(object, encoding),
    warnings: [...warnings],
  });
  return bind(
    Resources,
    {
      get: async (request) => {
        const ref = refOf(request.ref);
        const object = await registry.get(ref, request.resourceVersion);
        if (!request.asTable) return written({ object, warnings: [] }, request.encoding);
        const kind = registry.kindOf(ref);
        const resourceVersion = object.metadata.resourceVersion ?? '';
        const table = registry.tableOf({ kind, resourceVersion, continue: '', items: [object], remainingItemCount: undefined });
        return { object: encodeJson(table, request.encoding) };
      },
      list: async (request) => {
        const listed = await registry.list(refOf(request.ref), request);
        const items = request.asTable
          ? [encodeJson(registry.tableOf(listed), request.encoding)]
          : listed.items.map((object) => encodeObject(object, request.encoding));
        const { resourceVersion, remainingItemCount } = listed;
        return { resourceVersion, continue: listed.continue, items, remainingItemCount };
      },
      watch: (request, context) => watchEvents(registry, clock, request, context),
      create: async (request) => {
        const { ref, object, encoding, dryRun, fieldManager } = request;
        const body = decodeObject(object);
        return written(await registry.create(refOf(ref), body, { dryRun, fieldManager, ...validationOf(request.fieldValidation) }), encoding);
      },
      update: async (request) => {
        const { ref, object, encoding, dryRun, fieldManager } = request;
        const options = { dryRun, fieldManager, preconditions: preconditionsOf(request.preconditions), ...validationOf(request.fieldValidation) };
        return written(await registry.update(refOf(ref), decodeObject(object), options), encoding);
      },
      patch: async (request) => {
        const { ref, encoding, dryRun, fieldManager } = request;
        const type = PATCH_TYPES[request.patchType];
        if (type === undefined) throw badRequest(`there is no patch type ${request.patchType}`);
        const options = { dryRun, fieldManager, preconditions: preconditionsOf(request.preconditions), ...validationOf(request.fieldValidation) };
        return written(await registry.patch(refOf(ref), { type, body: patchBody(request) }, options), encoding);
      },
      apply: async ({ ref, object, encoding, dryRun, fieldManager, force }) =>
        written(await registry.apply(refOf(ref), decodeObject(object), { dryRun, fieldManager, force }), encoding),
      delete: async (request) => {
        const { ref, encoding, propagationPolicy, dryRun, gracePeriodSeconds } = request;
        const preconditions = preconditionsOf(request.preconditions);
        const object = await registry.delete(refOf(ref), { preconditions, gracePeriodSeconds, propagationPolicy, dryRun });
        return written({ object, warnings: [] }, encoding);
      },
      deleteCollection: async (request) => {
        const listed = await registry.deleteCollection(refOf(request.ref), request);
        const items = listed.items.map((object) => encodeObject(object, request.encoding));
        return { resourceVersion: listed.resourceVersion, continue: '', items };
      },
    },
    mapApiError,
  );
}

async function* watchEvents(
  registry: Registry,
  clock: Clock,
  request: WatchRequest,
  { signal }: CallContext,
): AsyncGenerator<Init<WatchEvent>> {
  const controller = new AbortController();
  const end = () => controller.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const timer = request.timeoutSeconds > 0 ? clock.setTimer(request.timeoutSeconds * 1000, end) : undefined;
  try {
    const ref = refOf(request.ref);
    const kind = registry.kindOf(ref);
    const events = await registry.watch(ref, { ...request, signal: controller.signal });
    const encode = request.asTable ? tableEvent(registry, kind, request.encoding) : plainEvent(kind, request);
    for await (const event of events) yield encode(event);
  } finally {
    timer?.cancel();
    signal.removeEventListener('abort', end);
    controller.abort();
  }
}

function plainEvent(kind: Kind, { encoding, sendInitialEvents }: WatchRequest): (event: CacheEvent) => Init<WatchEvent> {
  // The first bookmark of a watch that began with the state ends the state.
  let isInitial = sendInitialEvents === true;
  return (event) => {
    const { type } = event;
    const resourceVersion = String(event.revision);
    if (type === 'BOOKMARK') {
      const annotations = isInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
      isInitial = false;
      const bookmark = { apiVersion: apiVersionOf(kind.info), kind: kind.info.kind, metadata: { resourceVersion, ...annotations } };
      return { type, resourceVersion, object: encodeJson(bookmark, encoding) };
    }
    const object: Init<ApiObject> =
      encoding === Encoding.JSON
        ? { encoding: { case: 'json', value: event.cached.json() } }
        : encodeObject(event.cached.object, encoding);
    return { type, resourceVersion, object };
  };
}

function tableEvent(registry: Registry, kind: Kind, encoding: number): (event: CacheEvent) => Init<WatchEvent> {
  return (event) => {
    const resourceVersion = String(event.revision);
    const items = event.type === 'BOOKMARK' ? [] : [event.cached.object];
    const table = registry.tableOf({ kind, resourceVersion, continue: '', items, remainingItemCount: undefined });
    return { type: event.type, resourceVersion, object: encodeJson(table, encoding) };
  };
}

function refOf(ref: ResourceRef | undefined): Ref {
  if (ref === undefined) throw badRequest('ref is required');
  if (ref.resource === '') throw badRequest('ref.resource is required');
  // For people with grpcurl: the version may be left out, for there is one.
  return { ...ref, version: ref.version === '' ? 'v1' : ref.version };
}

function preconditionsOf(sent: WirePreconditions | undefined) {
  return sent === undefined ? undefined : { uid: sent.uid, resourceVersion: sent.resourceVersion };
}

function validationOf(text: string): { fieldValidation?: FieldValidation } {
  if (text === '') return {};
  if (text === 'Strict' || text === 'Warn' || text === 'Ignore') return { fieldValidation: text };
  throw badRequest(`fieldValidation: Unsupported value: ${JSON.stringify(text)}: supported values: "Ignore", "Strict", "Warn"`);
}

function encodeObject(object: KubeObject, encoding: number): Init<ApiObject> {
  return encodeJson(object, encoding);
}

function encodeJson(json: object, encoding: number): Init<ApiObject> {
  if (encoding === Encoding.JSON) return { encoding: { case: 'json', value: fromUtf8(JSON.stringify(json)) } };
  return { encoding: { case: 'fields', value: structFromJson(json) } };
}

function decodeObject(object: ApiObject | undefined): unknown {
  const encoding = object?.encoding;
  if (encoding === undefined) throw badRequest('object is required');
  return encoding.case === 'fields' ? checkDepth(structToJson(encoding.value)) : parseJson(encoding.value, 'object');
}

function patchBody({ patch }: PatchRequest): unknown {
  if (patch === undefined) throw badRequest('patch is required');
  return patch.case === 'patchValue' ? checkDepth(valueToJson(patch.value)) : parseJson(patch.value, 'patch');
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(toUtf8(bytes));
  } catch (error) {
    throw badRequest(`the ${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkDepth(value);
}

function checkDepth<T>(value: T): T {
  if (isDeeperThan(value, JSON_DEPTH_MAX)) throw badRequest(`the object is nested deeper than ${JSON_DEPTH_MAX}`);
  return value;
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((item) => isDeeperThan(item, depth - 1));
}
