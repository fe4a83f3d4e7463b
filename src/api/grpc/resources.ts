/**
 * podium.api.v1.Resources over the registry: from messages to plain JSON and back, and refusals to gRPC codes with the
 * metav1.Status in their details. Decides nothing.
 */
import { fromUtf8, toUtf8 } from '../../base/bytes.ts';
import { ApiError, badRequest, methodNotAllowed, type Reason } from '../../kube/errors.ts';
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
import type { FieldValidation } from '../core/draft.ts';
import { duplicateFields } from '../core/duplicate-fields.ts';
import { checkDepth, parseJsonBody } from '../core/json-body.ts';
import { bookmarkTable, columnsOf, includeObject, partialOf, type Table } from '../core/table.ts';
import type { Kind } from '../kinds/kind.ts';
import type { ComputedKinds } from '../computed.ts';
import type { Registry } from '../registry.ts';
import type { Listed, PatchType, Ref, Written } from '../requests.ts';
import type { Reviews } from '../reviews.ts';
import { bookmarkMeta, type CacheEvent } from '../watch-cache.ts';
import type { Admission } from './admission.ts';

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
  const details = encodeStatusDetails({ code, message: error.message, json: error.toStatus(), retryAfterSeconds: error.details?.retryAfterSeconds });
  return new RpcError(code, error.message, { details, cause: error });
}

export interface ResourcesOptions {
  readonly registry: Registry;
  readonly reviews: Reviews;
  readonly computed: ComputedKinds;
  readonly admission: Admission;
}

export function resourcesService({ registry, reviews, computed, admission }: ResourcesOptions): BoundService {
  const sourceOf = (ref: Ref): Pick<Registry, 'get' | 'list' | 'kindOf'> => (computed.has(ref) ? computed : registry);
  const refToChange = (sent: ResourceRef | undefined): Ref => {
    const ref = refOf(sent);
    if (computed.has(ref)) throw methodNotAllowed();
    return ref;
  };
  const written = ({ object, warnings }: Written, encoding: number) => ({
    object: encodeObject(object, encoding),
    warnings: [...warnings],
  });
  return bind(
    Resources,
    {
      get: (request, context) => {
        const ref = refOf(request.ref);
        return admission.unary(context, 'get', ref, async () => {
          const object = await sourceOf(ref).get(ref, request.resourceVersion);
          if (!request.asTable) return written({ object, warnings: [] }, request.encoding);
          const source = sourceOf(ref);
          const table = tableOf(registry, { kind: source.kindOf(ref), items: [object], resourceVersion: object.metadata.resourceVersion ?? '' }, request);
          return { object: encodeJson(table, request.encoding) };
        });
      },
      list: (request, context) => {
        const ref = refOf(request.ref);
        return admission.unary(context, 'list', ref, async () => {
          const listed = await sourceOf(ref).list(ref, request);
          const items = request.asTable
            ? [encodeJson(registry.tableOf(listed, includeObject(request.includeObject)), request.encoding)]
            : listed.items.map((object) => encodeObject(object, request.encoding));
          const { resourceVersion, remainingItemCount } = listed;
          return { resourceVersion, continue: listed.continue, items, remainingItemCount };
        });
      },
      watch: (request, context) => {
        const ref = refToChange(request.ref);
        return admission.stream(context, { verb: 'watch', ref, isLongRunning: true }, () => watchEvents(registry, request, context));
      },
      create: (request, context) => {
        const { object, encoding, dryRun, fieldManager } = request;
        const ref = refToChange(request.ref);
        return admission.unary(context, 'create', ref, async (user) => {
          const { body, duplicates } = decodeObject(object);
          if (reviews.has(ref)) return written({ object: await reviews.create(ref, body, { user, ...validationOf(request.fieldValidation) }), warnings: [] }, encoding);
          return written(await registry.create(ref, body, { user, dryRun, fieldManager, duplicates, ...validationOf(request.fieldValidation) }), encoding);
        });
      },
      update: (request, context) => {
        const { object, encoding, dryRun, fieldManager } = request;
        const ref = refToChange(request.ref);
        return admission.unary(context, 'update', ref, async (user) => {
          const options = { user, dryRun, fieldManager, preconditions: preconditionsOf(request.preconditions), ...validationOf(request.fieldValidation) };
          const { body, duplicates } = decodeObject(object);
          return written(await registry.update(ref, body, { ...options, duplicates }), encoding);
        });
      },
      patch: (request, context) => {
        const { encoding, dryRun, fieldManager } = request;
        const ref = refToChange(request.ref);
        return admission.unary(context, 'patch', ref, async (user) => {
          const type = PATCH_TYPES[request.patchType];
          if (type === undefined) throw badRequest(`there is no patch type ${request.patchType}`);
          const options = { user, dryRun, fieldManager, preconditions: preconditionsOf(request.preconditions), ...validationOf(request.fieldValidation) };
          return written(await registry.patch(ref, { type, body: patchBody(request) }, options), encoding);
        });
      },
      apply: (request, context) => {
        const { object, encoding, dryRun, fieldManager, force } = request;
        const ref = refToChange(request.ref);
        return admission.unary(context, 'patch', ref, async (user) =>
          written(await registry.apply(ref, decodeObject(object).body, { user, dryRun, fieldManager, force }), encoding),
        );
      },
      delete: (request, context) => {
        const { encoding, propagationPolicy, dryRun, gracePeriodSeconds } = request;
        const ref = refToChange(request.ref);
        return admission.unary(context, 'delete', ref, async () => {
          const preconditions = preconditionsOf(request.preconditions);
          const object = await registry.delete(ref, { preconditions, gracePeriodSeconds, propagationPolicy, dryRun });
          return written({ object, warnings: [] }, encoding);
        });
      },
      deleteCollection: (request, context) => {
        const ref = refToChange(request.ref);
        return admission.unary(context, 'deletecollection', ref, async () => {
          const listed = await registry.deleteCollection(ref, request);
          const items = listed.items.map((object) => encodeObject(object, request.encoding));
          return { resourceVersion: listed.resourceVersion, continue: '', items };
        });
      },
    },
    mapApiError,
  );
}

async function* watchEvents(
  registry: Registry,
  request: WatchRequest,
  { signal }: CallContext,
): AsyncGenerator<Init<WatchEvent>> {
  const ref = refOf(request.ref);
  const kind = registry.kindOf(ref);
  const watch = await registry.watch(ref, { ...request, signal });
  const encode = request.asTable ? tableEvent(registry, kind, request) : plainEvent(kind, request);
  for await (const events of watch) yield* events.map(encode);
}

function plainEvent(kind: Kind, { encoding }: WatchRequest): (event: CacheEvent) => Init<WatchEvent> {
  return (event) => {
    const { type } = event;
    const resourceVersion = String(event.revision);
    if (type === 'BOOKMARK') {
      const bookmark = { apiVersion: apiVersionOf(kind.info), kind: kind.info.kind, metadata: bookmarkMeta(event) };
      return { type, resourceVersion, object: encodeJson(bookmark, encoding) };
    }
    const object: Init<ApiObject> =
      encoding === Encoding.JSON
        ? { encoding: { case: 'json', value: event.cached.json() } }
        : encodeObject(event.cached.object, encoding);
    return { type, resourceVersion, object };
  };
}

function tableEvent(registry: Registry, kind: Kind, request: WatchRequest): (event: CacheEvent) => Init<WatchEvent> {
  return (event) => {
    const resourceVersion = String(event.revision);
    if (event.type === 'BOOKMARK') {
      const metadata = bookmarkMeta(event);
      const table = bookmarkTable(columnsOf(kind), { version: 'v1', metadata, object: partialOf({ metadata }, 'v1') });
      return { type: event.type, resourceVersion, object: encodeJson(table, request.encoding) };
    }
    const table = tableOf(registry, { kind, items: [event.cached.object], resourceVersion }, request);
    return { type: event.type, resourceVersion, object: encodeJson(table, request.encoding) };
  };
}

function tableOf(registry: Registry, shown: Pick<Listed, 'kind' | 'items' | 'resourceVersion'>, request: { readonly includeObject: string }): Table {
  return registry.tableOf({ ...shown, continue: '', remainingItemCount: undefined }, includeObject(request.includeObject));
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

function decodeObject(object: ApiObject | undefined): { readonly body: unknown; readonly duplicates: readonly string[] } {
  const encoding = object?.encoding;
  if (encoding === undefined) throw badRequest('object is required');
  if (encoding.case === 'fields') return { body: checkDepth(structToJson(encoding.value)), duplicates: [] };
  const text = toUtf8(encoding.value);
  const body = parseJsonBody(text, 'object');
  return { body, duplicates: duplicateFields(text, body).map((path) => `duplicate field ${JSON.stringify(path)}`) };
}

function patchBody({ patch }: PatchRequest): unknown {
  if (patch === undefined) throw badRequest('patch is required');
  return patch.case === 'patchValue' ? checkDepth(valueToJson(patch.value)) : parseJsonBody(toUtf8(patch.value), 'patch');
}
