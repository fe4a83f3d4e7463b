// Written by scripts/generate.ts from proto/podium/api.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';
import { CommandInput, CommandOutput, PortInput, PortOutput } from './streams.ts';
import { Struct, Value } from './google.ts';

const EMPTY = new Uint8Array(0);

export interface ResourceRef {
  group: string;
  version: string;
  resource: string;
  namespace: string;
  name: string;
  subresource: string;
}

export const ResourceRef: MessageCodec<ResourceRef> = codec<ResourceRef>(
  'podium.api.v1.ResourceRef',
  (w, m) => {
    if (m.group) {
      w.uint32(10).string(m.group);
    }
    if (m.version) {
      w.uint32(18).string(m.version);
    }
    if (m.resource) {
      w.uint32(26).string(m.resource);
    }
    if (m.namespace) {
      w.uint32(34).string(m.namespace);
    }
    if (m.name) {
      w.uint32(42).string(m.name);
    }
    if (m.subresource) {
      w.uint32(50).string(m.subresource);
    }
  },
  (r, end) => {
    const m: ResourceRef = { group: '', version: '', resource: '', namespace: '', name: '', subresource: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.group = r.string();
          break;
        }
        case 18: {
          m.version = r.string();
          break;
        }
        case 26: {
          m.resource = r.string();
          break;
        }
        case 34: {
          m.namespace = r.string();
          break;
        }
        case 42: {
          m.name = r.string();
          break;
        }
        case 50: {
          m.subresource = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    group: m.group ?? '',
    version: m.version ?? '',
    resource: m.resource ?? '',
    namespace: m.namespace ?? '',
    name: m.name ?? '',
    subresource: m.subresource ?? '',
  }),
);

export const Encoding = {
  STRUCT: 0,
  JSON: 1,
} as const;

export interface Object {
  encoding: { case: 'fields'; value: Struct } | { case: 'json'; value: Uint8Array } | undefined;
}

export const Object: MessageCodec<Object> = codec<Object>(
  'podium.api.v1.Object',
  (w, m) => {
    {
      const one = m.encoding;
      if (one !== undefined)
        switch (one.case) {
          case 'fields': {
            const start = w.open(10);
            Struct.write(w, one.value);
            w.close(start);
            break;
          }
          case 'json': {
            w.uint32(18).bytes(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: Object = { encoding: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.encoding = { case: 'fields', value: Struct.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.encoding = { case: 'json', value: r.bytes() };
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    encoding: (() => {
      const one = m.encoding;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'fields':
          return { case: one.case, value: Struct.create(one.value) };
        case 'json':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export type ApiObject = Object;
export const ApiObject = Object;

export interface Preconditions {
  uid: string;
  resourceVersion: string;
}

export const Preconditions: MessageCodec<Preconditions> = codec<Preconditions>(
  'podium.api.v1.Preconditions',
  (w, m) => {
    if (m.uid) {
      w.uint32(10).string(m.uid);
    }
    if (m.resourceVersion) {
      w.uint32(18).string(m.resourceVersion);
    }
  },
  (r, end) => {
    const m: Preconditions = { uid: '', resourceVersion: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.uid = r.string();
          break;
        }
        case 18: {
          m.resourceVersion = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ uid: m.uid ?? '', resourceVersion: m.resourceVersion ?? '' }),
);

export interface ObjectResponse {
  object: Object | undefined;
  warnings: string[];
}

export const ObjectResponse: MessageCodec<ObjectResponse> = codec<ObjectResponse>(
  'podium.api.v1.ObjectResponse',
  (w, m) => {
    if (m.object !== undefined) {
      const start = w.open(10);
      Object.write(w, m.object);
      w.close(start);
    }
    if (m.warnings !== undefined)
      for (const item of m.warnings) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: ObjectResponse = { object: undefined, warnings: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.object = Object.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.warnings.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ object: m.object === undefined ? undefined : Object.create(m.object), warnings: [...(m.warnings ?? [])] }),
);

export interface GetRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  resourceVersion: string;
  asTable: boolean;
  includeObject: string;
}

export const GetRequest: MessageCodec<GetRequest> = codec<GetRequest>(
  'podium.api.v1.GetRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.resourceVersion) {
      w.uint32(26).string(m.resourceVersion);
    }
    if (m.asTable) {
      w.uint32(32).bool(m.asTable);
    }
    if (m.includeObject) {
      w.uint32(42).string(m.includeObject);
    }
  },
  (r, end) => {
    const m: GetRequest = { ref: undefined, encoding: 0, resourceVersion: '', asTable: false, includeObject: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          m.resourceVersion = r.string();
          break;
        }
        case 32: {
          m.asTable = r.bool();
          break;
        }
        case 42: {
          m.includeObject = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    resourceVersion: m.resourceVersion ?? '',
    asTable: m.asTable ?? false,
    includeObject: m.includeObject ?? '',
  }),
);

export interface ListRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  labelSelector: string;
  fieldSelector: string;
  limit: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: string;
  timeoutSeconds: number;
  asTable: boolean;
  includeObject: string;
}

export const ListRequest: MessageCodec<ListRequest> = codec<ListRequest>(
  'podium.api.v1.ListRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.labelSelector) {
      w.uint32(26).string(m.labelSelector);
    }
    if (m.fieldSelector) {
      w.uint32(34).string(m.fieldSelector);
    }
    if (m.limit) {
      w.uint32(40).int64(m.limit);
    }
    if (m.continue) {
      w.uint32(50).string(m.continue);
    }
    if (m.resourceVersion) {
      w.uint32(58).string(m.resourceVersion);
    }
    if (m.resourceVersionMatch) {
      w.uint32(66).string(m.resourceVersionMatch);
    }
    if (m.timeoutSeconds) {
      w.uint32(72).int64(m.timeoutSeconds);
    }
    if (m.asTable) {
      w.uint32(80).bool(m.asTable);
    }
    if (m.includeObject) {
      w.uint32(90).string(m.includeObject);
    }
  },
  (r, end) => {
    const m: ListRequest = {
      ref: undefined,
      encoding: 0,
      labelSelector: '',
      fieldSelector: '',
      limit: 0,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
      timeoutSeconds: 0,
      asTable: false,
      includeObject: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          m.labelSelector = r.string();
          break;
        }
        case 34: {
          m.fieldSelector = r.string();
          break;
        }
        case 40: {
          m.limit = r.int64();
          break;
        }
        case 50: {
          m.continue = r.string();
          break;
        }
        case 58: {
          m.resourceVersion = r.string();
          break;
        }
        case 66: {
          m.resourceVersionMatch = r.string();
          break;
        }
        case 72: {
          m.timeoutSeconds = r.int64();
          break;
        }
        case 80: {
          m.asTable = r.bool();
          break;
        }
        case 90: {
          m.includeObject = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    labelSelector: m.labelSelector ?? '',
    fieldSelector: m.fieldSelector ?? '',
    limit: m.limit ?? 0,
    continue: m.continue ?? '',
    resourceVersion: m.resourceVersion ?? '',
    resourceVersionMatch: m.resourceVersionMatch ?? '',
    timeoutSeconds: m.timeoutSeconds ?? 0,
    asTable: m.asTable ?? false,
    includeObject: m.includeObject ?? '',
  }),
);

export interface ListResponse {
  resourceVersion: string;
  continue: string;
  items: Object[];
  remainingItemCount: number | undefined;
}

export const ListResponse: MessageCodec<ListResponse> = codec<ListResponse>(
  'podium.api.v1.ListResponse',
  (w, m) => {
    if (m.resourceVersion) {
      w.uint32(10).string(m.resourceVersion);
    }
    if (m.continue) {
      w.uint32(18).string(m.continue);
    }
    if (m.items !== undefined)
      for (const item of m.items) {
        const start = w.open(26);
        Object.write(w, item);
        w.close(start);
      }
    if (m.remainingItemCount !== undefined) {
      w.uint32(32).int64(m.remainingItemCount);
    }
  },
  (r, end) => {
    const m: ListResponse = { resourceVersion: '', continue: '', items: [], remainingItemCount: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.resourceVersion = r.string();
          break;
        }
        case 18: {
          m.continue = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          m.items.push(Object.read(r, to));
          r.leave(to);
          break;
        }
        case 32: {
          m.remainingItemCount = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    resourceVersion: m.resourceVersion ?? '',
    continue: m.continue ?? '',
    items: (m.items ?? []).map((item) => Object.create(item)),
    remainingItemCount: m.remainingItemCount,
  }),
);

export interface WatchRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  labelSelector: string;
  fieldSelector: string;
  resourceVersion: string;
  resourceVersionMatch: string;
  allowWatchBookmarks: boolean;
  sendInitialEvents: boolean | undefined;
  timeoutSeconds: number;
  asTable: boolean;
  includeObject: string;
}

export const WatchRequest: MessageCodec<WatchRequest> = codec<WatchRequest>(
  'podium.api.v1.WatchRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.labelSelector) {
      w.uint32(26).string(m.labelSelector);
    }
    if (m.fieldSelector) {
      w.uint32(34).string(m.fieldSelector);
    }
    if (m.resourceVersion) {
      w.uint32(42).string(m.resourceVersion);
    }
    if (m.resourceVersionMatch) {
      w.uint32(50).string(m.resourceVersionMatch);
    }
    if (m.allowWatchBookmarks) {
      w.uint32(56).bool(m.allowWatchBookmarks);
    }
    if (m.sendInitialEvents !== undefined) {
      w.uint32(64).bool(m.sendInitialEvents);
    }
    if (m.timeoutSeconds) {
      w.uint32(72).int64(m.timeoutSeconds);
    }
    if (m.asTable) {
      w.uint32(80).bool(m.asTable);
    }
    if (m.includeObject) {
      w.uint32(90).string(m.includeObject);
    }
  },
  (r, end) => {
    const m: WatchRequest = {
      ref: undefined,
      encoding: 0,
      labelSelector: '',
      fieldSelector: '',
      resourceVersion: '',
      resourceVersionMatch: '',
      allowWatchBookmarks: false,
      sendInitialEvents: undefined,
      timeoutSeconds: 0,
      asTable: false,
      includeObject: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          m.labelSelector = r.string();
          break;
        }
        case 34: {
          m.fieldSelector = r.string();
          break;
        }
        case 42: {
          m.resourceVersion = r.string();
          break;
        }
        case 50: {
          m.resourceVersionMatch = r.string();
          break;
        }
        case 56: {
          m.allowWatchBookmarks = r.bool();
          break;
        }
        case 64: {
          m.sendInitialEvents = r.bool();
          break;
        }
        case 72: {
          m.timeoutSeconds = r.int64();
          break;
        }
        case 80: {
          m.asTable = r.bool();
          break;
        }
        case 90: {
          m.includeObject = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    labelSelector: m.labelSelector ?? '',
    fieldSelector: m.fieldSelector ?? '',
    resourceVersion: m.resourceVersion ?? '',
    resourceVersionMatch: m.resourceVersionMatch ?? '',
    allowWatchBookmarks: m.allowWatchBookmarks ?? false,
    sendInitialEvents: m.sendInitialEvents,
    timeoutSeconds: m.timeoutSeconds ?? 0,
    asTable: m.asTable ?? false,
    includeObject: m.includeObject ?? '',
  }),
);

export interface WatchEvent {
  type: string;
  object: Object | undefined;
  resourceVersion: string;
}

export const WatchEvent: MessageCodec<WatchEvent> = codec<WatchEvent>(
  'podium.api.v1.WatchEvent',
  (w, m) => {
    if (m.type) {
      w.uint32(10).string(m.type);
    }
    if (m.object !== undefined) {
      const start = w.open(18);
      Object.write(w, m.object);
      w.close(start);
    }
    if (m.resourceVersion) {
      w.uint32(26).string(m.resourceVersion);
    }
  },
  (r, end) => {
    const m: WatchEvent = { type: '', object: undefined, resourceVersion: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.type = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.object = Object.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          m.resourceVersion = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    type: m.type ?? '',
    object: m.object === undefined ? undefined : Object.create(m.object),
    resourceVersion: m.resourceVersion ?? '',
  }),
);

export interface CreateRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  object: Object | undefined;
  fieldManager: string;
  dryRun: boolean;
  fieldValidation: string;
}

export const CreateRequest: MessageCodec<CreateRequest> = codec<CreateRequest>(
  'podium.api.v1.CreateRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.object !== undefined) {
      const start = w.open(26);
      Object.write(w, m.object);
      w.close(start);
    }
    if (m.fieldManager) {
      w.uint32(34).string(m.fieldManager);
    }
    if (m.dryRun) {
      w.uint32(40).bool(m.dryRun);
    }
    if (m.fieldValidation) {
      w.uint32(50).string(m.fieldValidation);
    }
  },
  (r, end) => {
    const m: CreateRequest = {
      ref: undefined,
      encoding: 0,
      object: undefined,
      fieldManager: '',
      dryRun: false,
      fieldValidation: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          const to = r.enter();
          m.object = Object.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          m.fieldManager = r.string();
          break;
        }
        case 40: {
          m.dryRun = r.bool();
          break;
        }
        case 50: {
          m.fieldValidation = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    object: m.object === undefined ? undefined : Object.create(m.object),
    fieldManager: m.fieldManager ?? '',
    dryRun: m.dryRun ?? false,
    fieldValidation: m.fieldValidation ?? '',
  }),
);

export interface UpdateRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  object: Object | undefined;
  fieldManager: string;
  dryRun: boolean;
  preconditions: Preconditions | undefined;
  fieldValidation: string;
}

export const UpdateRequest: MessageCodec<UpdateRequest> = codec<UpdateRequest>(
  'podium.api.v1.UpdateRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.object !== undefined) {
      const start = w.open(26);
      Object.write(w, m.object);
      w.close(start);
    }
    if (m.fieldManager) {
      w.uint32(34).string(m.fieldManager);
    }
    if (m.dryRun) {
      w.uint32(40).bool(m.dryRun);
    }
    if (m.preconditions !== undefined) {
      const start = w.open(50);
      Preconditions.write(w, m.preconditions);
      w.close(start);
    }
    if (m.fieldValidation) {
      w.uint32(58).string(m.fieldValidation);
    }
  },
  (r, end) => {
    const m: UpdateRequest = {
      ref: undefined,
      encoding: 0,
      object: undefined,
      fieldManager: '',
      dryRun: false,
      preconditions: undefined,
      fieldValidation: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          const to = r.enter();
          m.object = Object.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          m.fieldManager = r.string();
          break;
        }
        case 40: {
          m.dryRun = r.bool();
          break;
        }
        case 50: {
          const to = r.enter();
          m.preconditions = Preconditions.read(r, to);
          r.leave(to);
          break;
        }
        case 58: {
          m.fieldValidation = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    object: m.object === undefined ? undefined : Object.create(m.object),
    fieldManager: m.fieldManager ?? '',
    dryRun: m.dryRun ?? false,
    preconditions: m.preconditions === undefined ? undefined : Preconditions.create(m.preconditions),
    fieldValidation: m.fieldValidation ?? '',
  }),
);

export const PatchType = {
  MERGE: 0,
  STRATEGIC: 1,
  JSON_PATCH: 2,
} as const;

export interface PatchRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  patchType: number;
  fieldManager: string;
  force: boolean;
  dryRun: boolean;
  preconditions: Preconditions | undefined;
  fieldValidation: string;
  patch: { case: 'patchJson'; value: Uint8Array } | { case: 'patchValue'; value: Value } | undefined;
}

export const PatchRequest: MessageCodec<PatchRequest> = codec<PatchRequest>(
  'podium.api.v1.PatchRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.patchType) {
      w.uint32(24).int32(m.patchType);
    }
    if (m.fieldManager) {
      w.uint32(50).string(m.fieldManager);
    }
    if (m.force) {
      w.uint32(56).bool(m.force);
    }
    if (m.dryRun) {
      w.uint32(64).bool(m.dryRun);
    }
    if (m.preconditions !== undefined) {
      const start = w.open(74);
      Preconditions.write(w, m.preconditions);
      w.close(start);
    }
    if (m.fieldValidation) {
      w.uint32(82).string(m.fieldValidation);
    }
    {
      const one = m.patch;
      if (one !== undefined)
        switch (one.case) {
          case 'patchJson': {
            w.uint32(34).bytes(one.value);
            break;
          }
          case 'patchValue': {
            const start = w.open(42);
            Value.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: PatchRequest = {
      ref: undefined,
      encoding: 0,
      patchType: 0,
      fieldManager: '',
      force: false,
      dryRun: false,
      preconditions: undefined,
      fieldValidation: '',
      patch: undefined,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 24: {
          m.patchType = r.int32();
          break;
        }
        case 34: {
          m.patch = { case: 'patchJson', value: r.bytes() };
          break;
        }
        case 42: {
          const to = r.enter();
          m.patch = { case: 'patchValue', value: Value.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          m.fieldManager = r.string();
          break;
        }
        case 56: {
          m.force = r.bool();
          break;
        }
        case 64: {
          m.dryRun = r.bool();
          break;
        }
        case 74: {
          const to = r.enter();
          m.preconditions = Preconditions.read(r, to);
          r.leave(to);
          break;
        }
        case 82: {
          m.fieldValidation = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    patchType: m.patchType ?? 0,
    fieldManager: m.fieldManager ?? '',
    force: m.force ?? false,
    dryRun: m.dryRun ?? false,
    preconditions: m.preconditions === undefined ? undefined : Preconditions.create(m.preconditions),
    fieldValidation: m.fieldValidation ?? '',
    patch: (() => {
      const one = m.patch;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'patchJson':
          return { case: one.case, value: one.value };
        case 'patchValue':
          return { case: one.case, value: Value.create(one.value) };
      }
    })(),
  }),
);

export interface ApplyRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  object: Object | undefined;
  fieldManager: string;
  force: boolean;
  dryRun: boolean;
}

export const ApplyRequest: MessageCodec<ApplyRequest> = codec<ApplyRequest>(
  'podium.api.v1.ApplyRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.object !== undefined) {
      const start = w.open(26);
      Object.write(w, m.object);
      w.close(start);
    }
    if (m.fieldManager) {
      w.uint32(34).string(m.fieldManager);
    }
    if (m.force) {
      w.uint32(40).bool(m.force);
    }
    if (m.dryRun) {
      w.uint32(48).bool(m.dryRun);
    }
  },
  (r, end) => {
    const m: ApplyRequest = {
      ref: undefined,
      encoding: 0,
      object: undefined,
      fieldManager: '',
      force: false,
      dryRun: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          const to = r.enter();
          m.object = Object.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          m.fieldManager = r.string();
          break;
        }
        case 40: {
          m.force = r.bool();
          break;
        }
        case 48: {
          m.dryRun = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    object: m.object === undefined ? undefined : Object.create(m.object),
    fieldManager: m.fieldManager ?? '',
    force: m.force ?? false,
    dryRun: m.dryRun ?? false,
  }),
);

export interface DeleteRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  preconditions: Preconditions | undefined;
  gracePeriodSeconds: number | undefined;
  propagationPolicy: string;
  dryRun: boolean;
}

export const DeleteRequest: MessageCodec<DeleteRequest> = codec<DeleteRequest>(
  'podium.api.v1.DeleteRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.preconditions !== undefined) {
      const start = w.open(26);
      Preconditions.write(w, m.preconditions);
      w.close(start);
    }
    if (m.gracePeriodSeconds !== undefined) {
      w.uint32(32).int64(m.gracePeriodSeconds);
    }
    if (m.propagationPolicy) {
      w.uint32(42).string(m.propagationPolicy);
    }
    if (m.dryRun) {
      w.uint32(48).bool(m.dryRun);
    }
  },
  (r, end) => {
    const m: DeleteRequest = {
      ref: undefined,
      encoding: 0,
      preconditions: undefined,
      gracePeriodSeconds: undefined,
      propagationPolicy: '',
      dryRun: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          const to = r.enter();
          m.preconditions = Preconditions.read(r, to);
          r.leave(to);
          break;
        }
        case 32: {
          m.gracePeriodSeconds = r.int64();
          break;
        }
        case 42: {
          m.propagationPolicy = r.string();
          break;
        }
        case 48: {
          m.dryRun = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    preconditions: m.preconditions === undefined ? undefined : Preconditions.create(m.preconditions),
    gracePeriodSeconds: m.gracePeriodSeconds,
    propagationPolicy: m.propagationPolicy ?? '',
    dryRun: m.dryRun ?? false,
  }),
);

export interface DeleteCollectionRequest {
  ref: ResourceRef | undefined;
  encoding: number;
  labelSelector: string;
  fieldSelector: string;
  gracePeriodSeconds: number | undefined;
  propagationPolicy: string;
  dryRun: boolean;
}

export const DeleteCollectionRequest: MessageCodec<DeleteCollectionRequest> = codec<DeleteCollectionRequest>(
  'podium.api.v1.DeleteCollectionRequest',
  (w, m) => {
    if (m.ref !== undefined) {
      const start = w.open(10);
      ResourceRef.write(w, m.ref);
      w.close(start);
    }
    if (m.encoding) {
      w.uint32(16).int32(m.encoding);
    }
    if (m.labelSelector) {
      w.uint32(26).string(m.labelSelector);
    }
    if (m.fieldSelector) {
      w.uint32(34).string(m.fieldSelector);
    }
    if (m.gracePeriodSeconds !== undefined) {
      w.uint32(40).int64(m.gracePeriodSeconds);
    }
    if (m.propagationPolicy) {
      w.uint32(50).string(m.propagationPolicy);
    }
    if (m.dryRun) {
      w.uint32(56).bool(m.dryRun);
    }
  },
  (r, end) => {
    const m: DeleteCollectionRequest = {
      ref: undefined,
      encoding: 0,
      labelSelector: '',
      fieldSelector: '',
      gracePeriodSeconds: undefined,
      propagationPolicy: '',
      dryRun: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.ref = ResourceRef.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.encoding = r.int32();
          break;
        }
        case 26: {
          m.labelSelector = r.string();
          break;
        }
        case 34: {
          m.fieldSelector = r.string();
          break;
        }
        case 40: {
          m.gracePeriodSeconds = r.int64();
          break;
        }
        case 50: {
          m.propagationPolicy = r.string();
          break;
        }
        case 56: {
          m.dryRun = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    ref: m.ref === undefined ? undefined : ResourceRef.create(m.ref),
    encoding: m.encoding ?? 0,
    labelSelector: m.labelSelector ?? '',
    fieldSelector: m.fieldSelector ?? '',
    gracePeriodSeconds: m.gracePeriodSeconds,
    propagationPolicy: m.propagationPolicy ?? '',
    dryRun: m.dryRun ?? false,
  }),
);

export interface LogsRequest {
  namespace: string;
  name: string;
  container: string;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines: number | undefined;
  sinceSeconds: number | undefined;
  sinceTime: string;
  limitBytes: number | undefined;
}

export const LogsRequest: MessageCodec<LogsRequest> = codec<LogsRequest>(
  'podium.api.v1.LogsRequest',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.name) {
      w.uint32(18).string(m.name);
    }
    if (m.container) {
      w.uint32(26).string(m.container);
    }
    if (m.follow) {
      w.uint32(32).bool(m.follow);
    }
    if (m.previous) {
      w.uint32(40).bool(m.previous);
    }
    if (m.timestamps) {
      w.uint32(48).bool(m.timestamps);
    }
    if (m.tailLines !== undefined) {
      w.uint32(56).int64(m.tailLines);
    }
    if (m.sinceSeconds !== undefined) {
      w.uint32(64).int64(m.sinceSeconds);
    }
    if (m.sinceTime) {
      w.uint32(74).string(m.sinceTime);
    }
    if (m.limitBytes !== undefined) {
      w.uint32(80).int64(m.limitBytes);
    }
  },
  (r, end) => {
    const m: LogsRequest = {
      namespace: '',
      name: '',
      container: '',
      follow: false,
      previous: false,
      timestamps: false,
      tailLines: undefined,
      sinceSeconds: undefined,
      sinceTime: '',
      limitBytes: undefined,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.namespace = r.string();
          break;
        }
        case 18: {
          m.name = r.string();
          break;
        }
        case 26: {
          m.container = r.string();
          break;
        }
        case 32: {
          m.follow = r.bool();
          break;
        }
        case 40: {
          m.previous = r.bool();
          break;
        }
        case 48: {
          m.timestamps = r.bool();
          break;
        }
        case 56: {
          m.tailLines = r.int64();
          break;
        }
        case 64: {
          m.sinceSeconds = r.int64();
          break;
        }
        case 74: {
          m.sinceTime = r.string();
          break;
        }
        case 80: {
          m.limitBytes = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    namespace: m.namespace ?? '',
    name: m.name ?? '',
    container: m.container ?? '',
    follow: m.follow ?? false,
    previous: m.previous ?? false,
    timestamps: m.timestamps ?? false,
    tailLines: m.tailLines,
    sinceSeconds: m.sinceSeconds,
    sinceTime: m.sinceTime ?? '',
    limitBytes: m.limitBytes,
  }),
);

export interface LogsChunk {
  data: Uint8Array;
}

export const LogsChunk: MessageCodec<LogsChunk> = codec<LogsChunk>(
  'podium.api.v1.LogsChunk',
  (w, m) => {
    if (m.data !== undefined && m.data.length > 0) {
      w.uint32(10).bytes(m.data);
    }
  },
  (r, end) => {
    const m: LogsChunk = { data: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.data = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ data: m.data ?? EMPTY }),
);

export const Resources = {
  typeName: 'podium.api.v1.Resources',
  methods: {
    get: {
      path: '/podium.api.v1.Resources/Get',
      request: GetRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    list: {
      path: '/podium.api.v1.Resources/List',
      request: ListRequest,
      response: ListResponse,
      requestStream: false,
      responseStream: false,
    },
    watch: {
      path: '/podium.api.v1.Resources/Watch',
      request: WatchRequest,
      response: WatchEvent,
      requestStream: false,
      responseStream: true,
    },
    create: {
      path: '/podium.api.v1.Resources/Create',
      request: CreateRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    update: {
      path: '/podium.api.v1.Resources/Update',
      request: UpdateRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    patch: {
      path: '/podium.api.v1.Resources/Patch',
      request: PatchRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    apply: {
      path: '/podium.api.v1.Resources/Apply',
      request: ApplyRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    delete: {
      path: '/podium.api.v1.Resources/Delete',
      request: DeleteRequest,
      response: ObjectResponse,
      requestStream: false,
      responseStream: false,
    },
    deleteCollection: {
      path: '/podium.api.v1.Resources/DeleteCollection',
      request: DeleteCollectionRequest,
      response: ListResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Pods = {
  typeName: 'podium.api.v1.Pods',
  methods: {
    logs: {
      path: '/podium.api.v1.Pods/Logs',
      request: LogsRequest,
      response: LogsChunk,
      requestStream: false,
      responseStream: true,
    },
    exec: {
      path: '/podium.api.v1.Pods/Exec',
      request: CommandInput,
      response: CommandOutput,
      requestStream: true,
      responseStream: true,
    },
    attach: {
      path: '/podium.api.v1.Pods/Attach',
      request: CommandInput,
      response: CommandOutput,
      requestStream: true,
      responseStream: true,
    },
    portForward: {
      path: '/podium.api.v1.Pods/PortForward',
      request: PortInput,
      response: PortOutput,
      requestStream: true,
      responseStream: true,
    },
  },
} as const;
