// Written by scripts/generate.ts from proto/etcd/auth.proto, proto/etcd/election.proto, proto/etcd/kv.proto, proto/etcd/lock.proto, proto/etcd/rpc.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

const EMPTY = new Uint8Array(0);

export interface UserAddOptions {
  noPassword: boolean;
}

export const UserAddOptions: MessageCodec<UserAddOptions> = codec<UserAddOptions>(
  'authpb.UserAddOptions',
  (w, m) => {
    if (m.noPassword) {
      w.uint32(8).bool(m.noPassword);
    }
  },
  (r, end) => {
    const m: UserAddOptions = { noPassword: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.noPassword = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ noPassword: m.noPassword ?? false }),
);

export interface User {
  name: Uint8Array;
  password: Uint8Array;
  roles: string[];
  options: UserAddOptions | undefined;
}

export const User: MessageCodec<User> = codec<User>(
  'authpb.User',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
    if (m.password !== undefined && m.password.length > 0) {
      w.uint32(18).bytes(m.password);
    }
    if (m.roles !== undefined)
      for (const item of m.roles) {
        w.uint32(26).string(item);
      }
    if (m.options !== undefined) {
      const start = w.open(34);
      UserAddOptions.write(w, m.options);
      w.close(start);
    }
  },
  (r, end) => {
    const m: User = { name: EMPTY, password: EMPTY, roles: [], options: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        case 18: {
          m.password = r.bytes();
          break;
        }
        case 26: {
          m.roles.push(r.string());
          break;
        }
        case 34: {
          const to = r.enter();
          m.options = UserAddOptions.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    name: m.name ?? EMPTY,
    password: m.password ?? EMPTY,
    roles: [...(m.roles ?? [])],
    options: m.options === undefined ? undefined : UserAddOptions.create(m.options),
  }),
);

export const Permission_Type = {
  READ: 0,
  WRITE: 1,
  READWRITE: 2,
} as const;

export interface Permission {
  permType: number;
  key: Uint8Array;
  rangeEnd: Uint8Array;
}

export const Permission: MessageCodec<Permission> = codec<Permission>(
  'authpb.Permission',
  (w, m) => {
    if (m.permType) {
      w.uint32(8).int32(m.permType);
    }
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(18).bytes(m.key);
    }
    if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
      w.uint32(26).bytes(m.rangeEnd);
    }
  },
  (r, end) => {
    const m: Permission = { permType: 0, key: EMPTY, rangeEnd: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.permType = r.int32();
          break;
        }
        case 18: {
          m.key = r.bytes();
          break;
        }
        case 26: {
          m.rangeEnd = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ permType: m.permType ?? 0, key: m.key ?? EMPTY, rangeEnd: m.rangeEnd ?? EMPTY }),
);

export interface Role {
  name: Uint8Array;
  keyPermission: Permission[];
}

export const Role: MessageCodec<Role> = codec<Role>(
  'authpb.Role',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
    if (m.keyPermission !== undefined)
      for (const item of m.keyPermission) {
        const start = w.open(18);
        Permission.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: Role = { name: EMPTY, keyPermission: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        case 18: {
          const to = r.enter();
          m.keyPermission.push(Permission.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? EMPTY, keyPermission: (m.keyPermission ?? []).map((item) => Permission.create(item)) }),
);

export interface CampaignRequest {
  name: Uint8Array;
  lease: bigint;
  value: Uint8Array;
}

export const CampaignRequest: MessageCodec<CampaignRequest> = codec<CampaignRequest>(
  'v3electionpb.CampaignRequest',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
    if (m.lease) {
      w.uint32(16).bigInt64(m.lease);
    }
    if (m.value !== undefined && m.value.length > 0) {
      w.uint32(26).bytes(m.value);
    }
  },
  (r, end) => {
    const m: CampaignRequest = { name: EMPTY, lease: 0n, value: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        case 16: {
          m.lease = r.bigInt64();
          break;
        }
        case 26: {
          m.value = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? EMPTY, lease: m.lease ?? 0n, value: m.value ?? EMPTY }),
);

export interface CampaignResponse {
  header: ResponseHeader | undefined;
  leader: LeaderKey | undefined;
}

export const CampaignResponse: MessageCodec<CampaignResponse> = codec<CampaignResponse>(
  'v3electionpb.CampaignResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.leader !== undefined) {
      const start = w.open(18);
      LeaderKey.write(w, m.leader);
      w.close(start);
    }
  },
  (r, end) => {
    const m: CampaignResponse = { header: undefined, leader: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.leader = LeaderKey.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    leader: m.leader === undefined ? undefined : LeaderKey.create(m.leader),
  }),
);

export interface LeaderKey {
  name: Uint8Array;
  key: Uint8Array;
  rev: number;
  lease: bigint;
}

export const LeaderKey: MessageCodec<LeaderKey> = codec<LeaderKey>(
  'v3electionpb.LeaderKey',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(18).bytes(m.key);
    }
    if (m.rev) {
      w.uint32(24).int64(m.rev);
    }
    if (m.lease) {
      w.uint32(32).bigInt64(m.lease);
    }
  },
  (r, end) => {
    const m: LeaderKey = { name: EMPTY, key: EMPTY, rev: 0, lease: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        case 18: {
          m.key = r.bytes();
          break;
        }
        case 24: {
          m.rev = r.int64();
          break;
        }
        case 32: {
          m.lease = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? EMPTY, key: m.key ?? EMPTY, rev: m.rev ?? 0, lease: m.lease ?? 0n }),
);

export interface LeaderRequest {
  name: Uint8Array;
}

export const LeaderRequest: MessageCodec<LeaderRequest> = codec<LeaderRequest>(
  'v3electionpb.LeaderRequest',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
  },
  (r, end) => {
    const m: LeaderRequest = { name: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? EMPTY }),
);

export interface LeaderResponse {
  header: ResponseHeader | undefined;
  kv: KeyValue | undefined;
}

export const LeaderResponse: MessageCodec<LeaderResponse> = codec<LeaderResponse>(
  'v3electionpb.LeaderResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.kv !== undefined) {
      const start = w.open(18);
      KeyValue.write(w, m.kv);
      w.close(start);
    }
  },
  (r, end) => {
    const m: LeaderResponse = { header: undefined, kv: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.kv = KeyValue.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    kv: m.kv === undefined ? undefined : KeyValue.create(m.kv),
  }),
);

export interface ResignRequest {
  leader: LeaderKey | undefined;
}

export const ResignRequest: MessageCodec<ResignRequest> = codec<ResignRequest>(
  'v3electionpb.ResignRequest',
  (w, m) => {
    if (m.leader !== undefined) {
      const start = w.open(10);
      LeaderKey.write(w, m.leader);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ResignRequest = { leader: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.leader = LeaderKey.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ leader: m.leader === undefined ? undefined : LeaderKey.create(m.leader) }),
);

export interface ResignResponse {
  header: ResponseHeader | undefined;
}

export const ResignResponse: MessageCodec<ResignResponse> = codec<ResignResponse>(
  'v3electionpb.ResignResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ResignResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface ProclaimRequest {
  leader: LeaderKey | undefined;
  value: Uint8Array;
}

export const ProclaimRequest: MessageCodec<ProclaimRequest> = codec<ProclaimRequest>(
  'v3electionpb.ProclaimRequest',
  (w, m) => {
    if (m.leader !== undefined) {
      const start = w.open(10);
      LeaderKey.write(w, m.leader);
      w.close(start);
    }
    if (m.value !== undefined && m.value.length > 0) {
      w.uint32(18).bytes(m.value);
    }
  },
  (r, end) => {
    const m: ProclaimRequest = { leader: undefined, value: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.leader = LeaderKey.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.value = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ leader: m.leader === undefined ? undefined : LeaderKey.create(m.leader), value: m.value ?? EMPTY }),
);

export interface ProclaimResponse {
  header: ResponseHeader | undefined;
}

export const ProclaimResponse: MessageCodec<ProclaimResponse> = codec<ProclaimResponse>(
  'v3electionpb.ProclaimResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ProclaimResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface KeyValue {
  key: Uint8Array;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Uint8Array;
  lease: bigint;
}

export const KeyValue: MessageCodec<KeyValue> = codec<KeyValue>(
  'mvccpb.KeyValue',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
    if (m.createRevision) {
      w.uint32(16).int64(m.createRevision);
    }
    if (m.modRevision) {
      w.uint32(24).int64(m.modRevision);
    }
    if (m.version) {
      w.uint32(32).int64(m.version);
    }
    if (m.value !== undefined && m.value.length > 0) {
      w.uint32(42).bytes(m.value);
    }
    if (m.lease) {
      w.uint32(48).bigInt64(m.lease);
    }
  },
  (r, end) => {
    const m: KeyValue = { key: EMPTY, createRevision: 0, modRevision: 0, version: 0, value: EMPTY, lease: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        case 16: {
          m.createRevision = r.int64();
          break;
        }
        case 24: {
          m.modRevision = r.int64();
          break;
        }
        case 32: {
          m.version = r.int64();
          break;
        }
        case 42: {
          m.value = r.bytes();
          break;
        }
        case 48: {
          m.lease = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    key: m.key ?? EMPTY,
    createRevision: m.createRevision ?? 0,
    modRevision: m.modRevision ?? 0,
    version: m.version ?? 0,
    value: m.value ?? EMPTY,
    lease: m.lease ?? 0n,
  }),
);

export const EventType = {
  PUT: 0,
  DELETE: 1,
} as const;

export interface Event {
  type: number;
  kv: KeyValue | undefined;
  prevKv: KeyValue | undefined;
}

export const Event: MessageCodec<Event> = codec<Event>(
  'mvccpb.Event',
  (w, m) => {
    if (m.type) {
      w.uint32(8).int32(m.type);
    }
    if (m.kv !== undefined) {
      const start = w.open(18);
      KeyValue.write(w, m.kv);
      w.close(start);
    }
    if (m.prevKv !== undefined) {
      const start = w.open(26);
      KeyValue.write(w, m.prevKv);
      w.close(start);
    }
  },
  (r, end) => {
    const m: Event = { type: 0, kv: undefined, prevKv: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.type = r.int32();
          break;
        }
        case 18: {
          const to = r.enter();
          m.kv = KeyValue.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.prevKv = KeyValue.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    type: m.type ?? 0,
    kv: m.kv === undefined ? undefined : KeyValue.create(m.kv),
    prevKv: m.prevKv === undefined ? undefined : KeyValue.create(m.prevKv),
  }),
);

export interface LockRequest {
  name: Uint8Array;
  lease: bigint;
}

export const LockRequest: MessageCodec<LockRequest> = codec<LockRequest>(
  'v3lockpb.LockRequest',
  (w, m) => {
    if (m.name !== undefined && m.name.length > 0) {
      w.uint32(10).bytes(m.name);
    }
    if (m.lease) {
      w.uint32(16).bigInt64(m.lease);
    }
  },
  (r, end) => {
    const m: LockRequest = { name: EMPTY, lease: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.bytes();
          break;
        }
        case 16: {
          m.lease = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? EMPTY, lease: m.lease ?? 0n }),
);

export interface LockResponse {
  header: ResponseHeader | undefined;
  key: Uint8Array;
}

export const LockResponse: MessageCodec<LockResponse> = codec<LockResponse>(
  'v3lockpb.LockResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(18).bytes(m.key);
    }
  },
  (r, end) => {
    const m: LockResponse = { header: undefined, key: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.key = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header), key: m.key ?? EMPTY }),
);

export interface UnlockRequest {
  key: Uint8Array;
}

export const UnlockRequest: MessageCodec<UnlockRequest> = codec<UnlockRequest>(
  'v3lockpb.UnlockRequest',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
  },
  (r, end) => {
    const m: UnlockRequest = { key: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ key: m.key ?? EMPTY }),
);

export interface UnlockResponse {
  header: ResponseHeader | undefined;
}

export const UnlockResponse: MessageCodec<UnlockResponse> = codec<UnlockResponse>(
  'v3lockpb.UnlockResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: UnlockResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface ResponseHeader {
  clusterId: bigint;
  memberId: bigint;
  revision: number;
  raftTerm: number;
}

export const ResponseHeader: MessageCodec<ResponseHeader> = codec<ResponseHeader>(
  'etcdserverpb.ResponseHeader',
  (w, m) => {
    if (m.clusterId) {
      w.uint32(8).bigUint64(m.clusterId);
    }
    if (m.memberId) {
      w.uint32(16).bigUint64(m.memberId);
    }
    if (m.revision) {
      w.uint32(24).int64(m.revision);
    }
    if (m.raftTerm) {
      w.uint32(32).uint64(m.raftTerm);
    }
  },
  (r, end) => {
    const m: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.clusterId = r.bigUint64();
          break;
        }
        case 16: {
          m.memberId = r.bigUint64();
          break;
        }
        case 24: {
          m.revision = r.int64();
          break;
        }
        case 32: {
          m.raftTerm = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    clusterId: m.clusterId ?? 0n,
    memberId: m.memberId ?? 0n,
    revision: m.revision ?? 0,
    raftTerm: m.raftTerm ?? 0,
  }),
);

export const SortOrder = {
  NONE: 0,
  ASCEND: 1,
  DESCEND: 2,
} as const;

export const SortTarget = {
  KEY: 0,
  VERSION: 1,
  CREATE: 2,
  MOD: 3,
  VALUE: 4,
} as const;

export interface RangeRequest {
  key: Uint8Array;
  rangeEnd: Uint8Array;
  limit: number;
  revision: number;
  sortOrder: number;
  sortTarget: number;
  serializable: boolean;
  keysOnly: boolean;
  countOnly: boolean;
  minModRevision: number;
  maxModRevision: number;
  minCreateRevision: number;
  maxCreateRevision: number;
}

export const RangeRequest: MessageCodec<RangeRequest> = codec<RangeRequest>(
  'etcdserverpb.RangeRequest',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
    if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
      w.uint32(18).bytes(m.rangeEnd);
    }
    if (m.limit) {
      w.uint32(24).int64(m.limit);
    }
    if (m.revision) {
      w.uint32(32).int64(m.revision);
    }
    if (m.sortOrder) {
      w.uint32(40).int32(m.sortOrder);
    }
    if (m.sortTarget) {
      w.uint32(48).int32(m.sortTarget);
    }
    if (m.serializable) {
      w.uint32(56).bool(m.serializable);
    }
    if (m.keysOnly) {
      w.uint32(64).bool(m.keysOnly);
    }
    if (m.countOnly) {
      w.uint32(72).bool(m.countOnly);
    }
    if (m.minModRevision) {
      w.uint32(80).int64(m.minModRevision);
    }
    if (m.maxModRevision) {
      w.uint32(88).int64(m.maxModRevision);
    }
    if (m.minCreateRevision) {
      w.uint32(96).int64(m.minCreateRevision);
    }
    if (m.maxCreateRevision) {
      w.uint32(104).int64(m.maxCreateRevision);
    }
  },
  (r, end) => {
    const m: RangeRequest = {
      key: EMPTY,
      rangeEnd: EMPTY,
      limit: 0,
      revision: 0,
      sortOrder: 0,
      sortTarget: 0,
      serializable: false,
      keysOnly: false,
      countOnly: false,
      minModRevision: 0,
      maxModRevision: 0,
      minCreateRevision: 0,
      maxCreateRevision: 0,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        case 18: {
          m.rangeEnd = r.bytes();
          break;
        }
        case 24: {
          m.limit = r.int64();
          break;
        }
        case 32: {
          m.revision = r.int64();
          break;
        }
        case 40: {
          m.sortOrder = r.int32();
          break;
        }
        case 48: {
          m.sortTarget = r.int32();
          break;
        }
        case 56: {
          m.serializable = r.bool();
          break;
        }
        case 64: {
          m.keysOnly = r.bool();
          break;
        }
        case 72: {
          m.countOnly = r.bool();
          break;
        }
        case 80: {
          m.minModRevision = r.int64();
          break;
        }
        case 88: {
          m.maxModRevision = r.int64();
          break;
        }
        case 96: {
          m.minCreateRevision = r.int64();
          break;
        }
        case 104: {
          m.maxCreateRevision = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    key: m.key ?? EMPTY,
    rangeEnd: m.rangeEnd ?? EMPTY,
    limit: m.limit ?? 0,
    revision: m.revision ?? 0,
    sortOrder: m.sortOrder ?? 0,
    sortTarget: m.sortTarget ?? 0,
    serializable: m.serializable ?? false,
    keysOnly: m.keysOnly ?? false,
    countOnly: m.countOnly ?? false,
    minModRevision: m.minModRevision ?? 0,
    maxModRevision: m.maxModRevision ?? 0,
    minCreateRevision: m.minCreateRevision ?? 0,
    maxCreateRevision: m.maxCreateRevision ?? 0,
  }),
);

export interface RangeResponse {
  header: ResponseHeader | undefined;
  kvs: KeyValue[];
  more: boolean;
  count: number;
}

export const RangeResponse: MessageCodec<RangeResponse> = codec<RangeResponse>(
  'etcdserverpb.RangeResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.kvs !== undefined)
      for (const item of m.kvs) {
        const start = w.open(18);
        KeyValue.write(w, item);
        w.close(start);
      }
    if (m.more) {
      w.uint32(24).bool(m.more);
    }
    if (m.count) {
      w.uint32(32).int64(m.count);
    }
  },
  (r, end) => {
    const m: RangeResponse = { header: undefined, kvs: [], more: false, count: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.kvs.push(KeyValue.read(r, to));
          r.leave(to);
          break;
        }
        case 24: {
          m.more = r.bool();
          break;
        }
        case 32: {
          m.count = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    kvs: (m.kvs ?? []).map((item) => KeyValue.create(item)),
    more: m.more ?? false,
    count: m.count ?? 0,
  }),
);

export interface RangeStreamResponse {
  rangeResponse: RangeResponse | undefined;
}

export const RangeStreamResponse: MessageCodec<RangeStreamResponse> = codec<RangeStreamResponse>(
  'etcdserverpb.RangeStreamResponse',
  (w, m) => {
    if (m.rangeResponse !== undefined) {
      const start = w.open(10);
      RangeResponse.write(w, m.rangeResponse);
      w.close(start);
    }
  },
  (r, end) => {
    const m: RangeStreamResponse = { rangeResponse: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.rangeResponse = RangeResponse.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ rangeResponse: m.rangeResponse === undefined ? undefined : RangeResponse.create(m.rangeResponse) }),
);

export interface PutRequest {
  key: Uint8Array;
  value: Uint8Array;
  lease: bigint;
  prevKv: boolean;
  ignoreValue: boolean;
  ignoreLease: boolean;
}

export const PutRequest: MessageCodec<PutRequest> = codec<PutRequest>(
  'etcdserverpb.PutRequest',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
    if (m.value !== undefined && m.value.length > 0) {
      w.uint32(18).bytes(m.value);
    }
    if (m.lease) {
      w.uint32(24).bigInt64(m.lease);
    }
    if (m.prevKv) {
      w.uint32(32).bool(m.prevKv);
    }
    if (m.ignoreValue) {
      w.uint32(40).bool(m.ignoreValue);
    }
    if (m.ignoreLease) {
      w.uint32(48).bool(m.ignoreLease);
    }
  },
  (r, end) => {
    const m: PutRequest = {
      key: EMPTY,
      value: EMPTY,
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        case 18: {
          m.value = r.bytes();
          break;
        }
        case 24: {
          m.lease = r.bigInt64();
          break;
        }
        case 32: {
          m.prevKv = r.bool();
          break;
        }
        case 40: {
          m.ignoreValue = r.bool();
          break;
        }
        case 48: {
          m.ignoreLease = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    key: m.key ?? EMPTY,
    value: m.value ?? EMPTY,
    lease: m.lease ?? 0n,
    prevKv: m.prevKv ?? false,
    ignoreValue: m.ignoreValue ?? false,
    ignoreLease: m.ignoreLease ?? false,
  }),
);

export interface PutResponse {
  header: ResponseHeader | undefined;
  prevKv: KeyValue | undefined;
}

export const PutResponse: MessageCodec<PutResponse> = codec<PutResponse>(
  'etcdserverpb.PutResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.prevKv !== undefined) {
      const start = w.open(18);
      KeyValue.write(w, m.prevKv);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PutResponse = { header: undefined, prevKv: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.prevKv = KeyValue.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    prevKv: m.prevKv === undefined ? undefined : KeyValue.create(m.prevKv),
  }),
);

export interface DeleteRangeRequest {
  key: Uint8Array;
  rangeEnd: Uint8Array;
  prevKv: boolean;
}

export const DeleteRangeRequest: MessageCodec<DeleteRangeRequest> = codec<DeleteRangeRequest>(
  'etcdserverpb.DeleteRangeRequest',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
    if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
      w.uint32(18).bytes(m.rangeEnd);
    }
    if (m.prevKv) {
      w.uint32(24).bool(m.prevKv);
    }
  },
  (r, end) => {
    const m: DeleteRangeRequest = { key: EMPTY, rangeEnd: EMPTY, prevKv: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        case 18: {
          m.rangeEnd = r.bytes();
          break;
        }
        case 24: {
          m.prevKv = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ key: m.key ?? EMPTY, rangeEnd: m.rangeEnd ?? EMPTY, prevKv: m.prevKv ?? false }),
);

export interface DeleteRangeResponse {
  header: ResponseHeader | undefined;
  deleted: number;
  prevKvs: KeyValue[];
}

export const DeleteRangeResponse: MessageCodec<DeleteRangeResponse> = codec<DeleteRangeResponse>(
  'etcdserverpb.DeleteRangeResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.deleted) {
      w.uint32(16).int64(m.deleted);
    }
    if (m.prevKvs !== undefined)
      for (const item of m.prevKvs) {
        const start = w.open(26);
        KeyValue.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: DeleteRangeResponse = { header: undefined, deleted: 0, prevKvs: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.deleted = r.int64();
          break;
        }
        case 26: {
          const to = r.enter();
          m.prevKvs.push(KeyValue.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    deleted: m.deleted ?? 0,
    prevKvs: (m.prevKvs ?? []).map((item) => KeyValue.create(item)),
  }),
);

export interface RequestOp {
  request:
    | { case: 'requestRange'; value: RangeRequest }
    | { case: 'requestPut'; value: PutRequest }
    | { case: 'requestDeleteRange'; value: DeleteRangeRequest }
    | { case: 'requestTxn'; value: TxnRequest }
    | undefined;
}

export const RequestOp: MessageCodec<RequestOp> = codec<RequestOp>(
  'etcdserverpb.RequestOp',
  (w, m) => {
    {
      const one = m.request;
      if (one !== undefined)
        switch (one.case) {
          case 'requestRange': {
            const start = w.open(10);
            RangeRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'requestPut': {
            const start = w.open(18);
            PutRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'requestDeleteRange': {
            const start = w.open(26);
            DeleteRangeRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'requestTxn': {
            const start = w.open(34);
            TxnRequest.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: RequestOp = { request: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.request = { case: 'requestRange', value: RangeRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.request = { case: 'requestPut', value: PutRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.request = { case: 'requestDeleteRange', value: DeleteRangeRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.request = { case: 'requestTxn', value: TxnRequest.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    request: (() => {
      const one = m.request;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'requestRange':
          return { case: one.case, value: RangeRequest.create(one.value) };
        case 'requestPut':
          return { case: one.case, value: PutRequest.create(one.value) };
        case 'requestDeleteRange':
          return { case: one.case, value: DeleteRangeRequest.create(one.value) };
        case 'requestTxn':
          return { case: one.case, value: TxnRequest.create(one.value) };
      }
    })(),
  }),
);

export interface ResponseOp {
  response:
    | { case: 'responseRange'; value: RangeResponse }
    | { case: 'responsePut'; value: PutResponse }
    | { case: 'responseDeleteRange'; value: DeleteRangeResponse }
    | { case: 'responseTxn'; value: TxnResponse }
    | undefined;
}

export const ResponseOp: MessageCodec<ResponseOp> = codec<ResponseOp>(
  'etcdserverpb.ResponseOp',
  (w, m) => {
    {
      const one = m.response;
      if (one !== undefined)
        switch (one.case) {
          case 'responseRange': {
            const start = w.open(10);
            RangeResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'responsePut': {
            const start = w.open(18);
            PutResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'responseDeleteRange': {
            const start = w.open(26);
            DeleteRangeResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'responseTxn': {
            const start = w.open(34);
            TxnResponse.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: ResponseOp = { response: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.response = { case: 'responseRange', value: RangeResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.response = { case: 'responsePut', value: PutResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.response = { case: 'responseDeleteRange', value: DeleteRangeResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.response = { case: 'responseTxn', value: TxnResponse.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    response: (() => {
      const one = m.response;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'responseRange':
          return { case: one.case, value: RangeResponse.create(one.value) };
        case 'responsePut':
          return { case: one.case, value: PutResponse.create(one.value) };
        case 'responseDeleteRange':
          return { case: one.case, value: DeleteRangeResponse.create(one.value) };
        case 'responseTxn':
          return { case: one.case, value: TxnResponse.create(one.value) };
      }
    })(),
  }),
);

export const CompareResult = {
  EQUAL: 0,
  GREATER: 1,
  LESS: 2,
  NOT_EQUAL: 3,
} as const;

export const CompareTarget = {
  VERSION: 0,
  CREATE: 1,
  MOD: 2,
  VALUE: 3,
  LEASE: 4,
} as const;

export interface Compare {
  result: number;
  target: number;
  key: Uint8Array;
  rangeEnd: Uint8Array;
  targetUnion:
    | { case: 'version'; value: number }
    | { case: 'createRevision'; value: number }
    | { case: 'modRevision'; value: number }
    | { case: 'value'; value: Uint8Array }
    | { case: 'lease'; value: bigint }
    | undefined;
}

export const Compare: MessageCodec<Compare> = codec<Compare>(
  'etcdserverpb.Compare',
  (w, m) => {
    if (m.result) {
      w.uint32(8).int32(m.result);
    }
    if (m.target) {
      w.uint32(16).int32(m.target);
    }
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(26).bytes(m.key);
    }
    if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
      w.uint32(514).bytes(m.rangeEnd);
    }
    {
      const one = m.targetUnion;
      if (one !== undefined)
        switch (one.case) {
          case 'version': {
            w.uint32(32).int64(one.value);
            break;
          }
          case 'createRevision': {
            w.uint32(40).int64(one.value);
            break;
          }
          case 'modRevision': {
            w.uint32(48).int64(one.value);
            break;
          }
          case 'value': {
            w.uint32(58).bytes(one.value);
            break;
          }
          case 'lease': {
            w.uint32(64).bigInt64(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: Compare = { result: 0, target: 0, key: EMPTY, rangeEnd: EMPTY, targetUnion: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.result = r.int32();
          break;
        }
        case 16: {
          m.target = r.int32();
          break;
        }
        case 26: {
          m.key = r.bytes();
          break;
        }
        case 32: {
          m.targetUnion = { case: 'version', value: r.int64() };
          break;
        }
        case 40: {
          m.targetUnion = { case: 'createRevision', value: r.int64() };
          break;
        }
        case 48: {
          m.targetUnion = { case: 'modRevision', value: r.int64() };
          break;
        }
        case 58: {
          m.targetUnion = { case: 'value', value: r.bytes() };
          break;
        }
        case 64: {
          m.targetUnion = { case: 'lease', value: r.bigInt64() };
          break;
        }
        case 514: {
          m.rangeEnd = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    result: m.result ?? 0,
    target: m.target ?? 0,
    key: m.key ?? EMPTY,
    rangeEnd: m.rangeEnd ?? EMPTY,
    targetUnion: (() => {
      const one = m.targetUnion;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'version':
          return { case: one.case, value: one.value };
        case 'createRevision':
          return { case: one.case, value: one.value };
        case 'modRevision':
          return { case: one.case, value: one.value };
        case 'value':
          return { case: one.case, value: one.value };
        case 'lease':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}

export const TxnRequest: MessageCodec<TxnRequest> = codec<TxnRequest>(
  'etcdserverpb.TxnRequest',
  (w, m) => {
    if (m.compare !== undefined)
      for (const item of m.compare) {
        const start = w.open(10);
        Compare.write(w, item);
        w.close(start);
      }
    if (m.success !== undefined)
      for (const item of m.success) {
        const start = w.open(18);
        RequestOp.write(w, item);
        w.close(start);
      }
    if (m.failure !== undefined)
      for (const item of m.failure) {
        const start = w.open(26);
        RequestOp.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: TxnRequest = { compare: [], success: [], failure: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.compare.push(Compare.read(r, to));
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.success.push(RequestOp.read(r, to));
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.failure.push(RequestOp.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    compare: (m.compare ?? []).map((item) => Compare.create(item)),
    success: (m.success ?? []).map((item) => RequestOp.create(item)),
    failure: (m.failure ?? []).map((item) => RequestOp.create(item)),
  }),
);

export interface TxnResponse {
  header: ResponseHeader | undefined;
  succeeded: boolean;
  responses: ResponseOp[];
}

export const TxnResponse: MessageCodec<TxnResponse> = codec<TxnResponse>(
  'etcdserverpb.TxnResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.succeeded) {
      w.uint32(16).bool(m.succeeded);
    }
    if (m.responses !== undefined)
      for (const item of m.responses) {
        const start = w.open(26);
        ResponseOp.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: TxnResponse = { header: undefined, succeeded: false, responses: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.succeeded = r.bool();
          break;
        }
        case 26: {
          const to = r.enter();
          m.responses.push(ResponseOp.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    succeeded: m.succeeded ?? false,
    responses: (m.responses ?? []).map((item) => ResponseOp.create(item)),
  }),
);

export interface CompactionRequest {
  revision: number;
  physical: boolean;
}

export const CompactionRequest: MessageCodec<CompactionRequest> = codec<CompactionRequest>(
  'etcdserverpb.CompactionRequest',
  (w, m) => {
    if (m.revision) {
      w.uint32(8).int64(m.revision);
    }
    if (m.physical) {
      w.uint32(16).bool(m.physical);
    }
  },
  (r, end) => {
    const m: CompactionRequest = { revision: 0, physical: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.revision = r.int64();
          break;
        }
        case 16: {
          m.physical = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ revision: m.revision ?? 0, physical: m.physical ?? false }),
);

export interface CompactionResponse {
  header: ResponseHeader | undefined;
}

export const CompactionResponse: MessageCodec<CompactionResponse> = codec<CompactionResponse>(
  'etcdserverpb.CompactionResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: CompactionResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface HashRequest {}

export const HashRequest: MessageCodec<HashRequest> = codec<HashRequest>(
  'etcdserverpb.HashRequest',
  () => {},
  (r, end) => {
    const m: HashRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface HashKVRequest {
  revision: number;
}

export const HashKVRequest: MessageCodec<HashKVRequest> = codec<HashKVRequest>(
  'etcdserverpb.HashKVRequest',
  (w, m) => {
    if (m.revision) {
      w.uint32(8).int64(m.revision);
    }
  },
  (r, end) => {
    const m: HashKVRequest = { revision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.revision = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ revision: m.revision ?? 0 }),
);

export interface HashKVResponse {
  header: ResponseHeader | undefined;
  hash: number;
  compactRevision: number;
  hashRevision: number;
}

export const HashKVResponse: MessageCodec<HashKVResponse> = codec<HashKVResponse>(
  'etcdserverpb.HashKVResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.hash) {
      w.uint32(16).uint32(m.hash);
    }
    if (m.compactRevision) {
      w.uint32(24).int64(m.compactRevision);
    }
    if (m.hashRevision) {
      w.uint32(32).int64(m.hashRevision);
    }
  },
  (r, end) => {
    const m: HashKVResponse = { header: undefined, hash: 0, compactRevision: 0, hashRevision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.hash = r.uint32();
          break;
        }
        case 24: {
          m.compactRevision = r.int64();
          break;
        }
        case 32: {
          m.hashRevision = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    hash: m.hash ?? 0,
    compactRevision: m.compactRevision ?? 0,
    hashRevision: m.hashRevision ?? 0,
  }),
);

export interface HashResponse {
  header: ResponseHeader | undefined;
  hash: number;
}

export const HashResponse: MessageCodec<HashResponse> = codec<HashResponse>(
  'etcdserverpb.HashResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.hash) {
      w.uint32(16).uint32(m.hash);
    }
  },
  (r, end) => {
    const m: HashResponse = { header: undefined, hash: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.hash = r.uint32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header), hash: m.hash ?? 0 }),
);

export interface SnapshotRequest {}

export const SnapshotRequest: MessageCodec<SnapshotRequest> = codec<SnapshotRequest>(
  'etcdserverpb.SnapshotRequest',
  () => {},
  (r, end) => {
    const m: SnapshotRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface SnapshotResponse {
  header: ResponseHeader | undefined;
  remainingBytes: number;
  blob: Uint8Array;
  version: string;
}

export const SnapshotResponse: MessageCodec<SnapshotResponse> = codec<SnapshotResponse>(
  'etcdserverpb.SnapshotResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.remainingBytes) {
      w.uint32(16).uint64(m.remainingBytes);
    }
    if (m.blob !== undefined && m.blob.length > 0) {
      w.uint32(26).bytes(m.blob);
    }
    if (m.version) {
      w.uint32(34).string(m.version);
    }
  },
  (r, end) => {
    const m: SnapshotResponse = { header: undefined, remainingBytes: 0, blob: EMPTY, version: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.remainingBytes = r.uint64();
          break;
        }
        case 26: {
          m.blob = r.bytes();
          break;
        }
        case 34: {
          m.version = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    remainingBytes: m.remainingBytes ?? 0,
    blob: m.blob ?? EMPTY,
    version: m.version ?? '',
  }),
);

export interface WatchRequest {
  requestUnion:
    | { case: 'createRequest'; value: WatchCreateRequest }
    | { case: 'cancelRequest'; value: WatchCancelRequest }
    | { case: 'progressRequest'; value: WatchProgressRequest }
    | undefined;
}

export const WatchRequest: MessageCodec<WatchRequest> = codec<WatchRequest>(
  'etcdserverpb.WatchRequest',
  (w, m) => {
    {
      const one = m.requestUnion;
      if (one !== undefined)
        switch (one.case) {
          case 'createRequest': {
            const start = w.open(10);
            WatchCreateRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'cancelRequest': {
            const start = w.open(18);
            WatchCancelRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'progressRequest': {
            const start = w.open(26);
            WatchProgressRequest.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: WatchRequest = { requestUnion: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.requestUnion = { case: 'createRequest', value: WatchCreateRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.requestUnion = { case: 'cancelRequest', value: WatchCancelRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.requestUnion = { case: 'progressRequest', value: WatchProgressRequest.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    requestUnion: (() => {
      const one = m.requestUnion;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'createRequest':
          return { case: one.case, value: WatchCreateRequest.create(one.value) };
        case 'cancelRequest':
          return { case: one.case, value: WatchCancelRequest.create(one.value) };
        case 'progressRequest':
          return { case: one.case, value: WatchProgressRequest.create(one.value) };
      }
    })(),
  }),
);

export const FilterType = {
  NOPUT: 0,
  NODELETE: 1,
} as const;

export interface WatchCreateRequest {
  key: Uint8Array;
  rangeEnd: Uint8Array;
  startRevision: number;
  progressNotify: boolean;
  filters: number[];
  prevKv: boolean;
  watchId: number;
  fragment: boolean;
}

export const WatchCreateRequest: MessageCodec<WatchCreateRequest> = codec<WatchCreateRequest>(
  'etcdserverpb.WatchCreateRequest',
  (w, m) => {
    if (m.key !== undefined && m.key.length > 0) {
      w.uint32(10).bytes(m.key);
    }
    if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
      w.uint32(18).bytes(m.rangeEnd);
    }
    if (m.startRevision) {
      w.uint32(24).int64(m.startRevision);
    }
    if (m.progressNotify) {
      w.uint32(32).bool(m.progressNotify);
    }
    if (m.filters !== undefined && m.filters.length > 0) {
      const start = w.open(42);
      for (const item of m.filters) w.int32(item);
      w.close(start);
    }
    if (m.prevKv) {
      w.uint32(48).bool(m.prevKv);
    }
    if (m.watchId) {
      w.uint32(56).int64(m.watchId);
    }
    if (m.fragment) {
      w.uint32(64).bool(m.fragment);
    }
  },
  (r, end) => {
    const m: WatchCreateRequest = {
      key: EMPTY,
      rangeEnd: EMPTY,
      startRevision: 0,
      progressNotify: false,
      filters: [],
      prevKv: false,
      watchId: 0,
      fragment: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.bytes();
          break;
        }
        case 18: {
          m.rangeEnd = r.bytes();
          break;
        }
        case 24: {
          m.startRevision = r.int64();
          break;
        }
        case 32: {
          m.progressNotify = r.bool();
          break;
        }
        case 40: {
          m.filters.push(r.int32());
          break;
        }
        case 42: {
          const to = r.packed();
          while (r.position < to) m.filters.push(r.int32());
          r.endPacked(to);
          break;
        }
        case 48: {
          m.prevKv = r.bool();
          break;
        }
        case 56: {
          m.watchId = r.int64();
          break;
        }
        case 64: {
          m.fragment = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    key: m.key ?? EMPTY,
    rangeEnd: m.rangeEnd ?? EMPTY,
    startRevision: m.startRevision ?? 0,
    progressNotify: m.progressNotify ?? false,
    filters: [...(m.filters ?? [])],
    prevKv: m.prevKv ?? false,
    watchId: m.watchId ?? 0,
    fragment: m.fragment ?? false,
  }),
);

export interface WatchCancelRequest {
  watchId: number;
}

export const WatchCancelRequest: MessageCodec<WatchCancelRequest> = codec<WatchCancelRequest>(
  'etcdserverpb.WatchCancelRequest',
  (w, m) => {
    if (m.watchId) {
      w.uint32(8).int64(m.watchId);
    }
  },
  (r, end) => {
    const m: WatchCancelRequest = { watchId: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.watchId = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ watchId: m.watchId ?? 0 }),
);

export interface WatchProgressRequest {}

export const WatchProgressRequest: MessageCodec<WatchProgressRequest> = codec<WatchProgressRequest>(
  'etcdserverpb.WatchProgressRequest',
  () => {},
  (r, end) => {
    const m: WatchProgressRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface WatchResponse {
  header: ResponseHeader | undefined;
  watchId: number;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: Event[];
}

export const WatchResponse: MessageCodec<WatchResponse> = codec<WatchResponse>(
  'etcdserverpb.WatchResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.watchId) {
      w.uint32(16).int64(m.watchId);
    }
    if (m.created) {
      w.uint32(24).bool(m.created);
    }
    if (m.canceled) {
      w.uint32(32).bool(m.canceled);
    }
    if (m.compactRevision) {
      w.uint32(40).int64(m.compactRevision);
    }
    if (m.cancelReason) {
      w.uint32(50).string(m.cancelReason);
    }
    if (m.fragment) {
      w.uint32(56).bool(m.fragment);
    }
    if (m.events !== undefined)
      for (const item of m.events) {
        const start = w.open(90);
        Event.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: WatchResponse = {
      header: undefined,
      watchId: 0,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: '',
      fragment: false,
      events: [],
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.watchId = r.int64();
          break;
        }
        case 24: {
          m.created = r.bool();
          break;
        }
        case 32: {
          m.canceled = r.bool();
          break;
        }
        case 40: {
          m.compactRevision = r.int64();
          break;
        }
        case 50: {
          m.cancelReason = r.string();
          break;
        }
        case 56: {
          m.fragment = r.bool();
          break;
        }
        case 90: {
          const to = r.enter();
          m.events.push(Event.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    watchId: m.watchId ?? 0,
    created: m.created ?? false,
    canceled: m.canceled ?? false,
    compactRevision: m.compactRevision ?? 0,
    cancelReason: m.cancelReason ?? '',
    fragment: m.fragment ?? false,
    events: (m.events ?? []).map((item) => Event.create(item)),
  }),
);

export interface LeaseGrantRequest {
  ttl: number;
  id: bigint;
}

export const LeaseGrantRequest: MessageCodec<LeaseGrantRequest> = codec<LeaseGrantRequest>(
  'etcdserverpb.LeaseGrantRequest',
  (w, m) => {
    if (m.ttl) {
      w.uint32(8).int64(m.ttl);
    }
    if (m.id) {
      w.uint32(16).bigInt64(m.id);
    }
  },
  (r, end) => {
    const m: LeaseGrantRequest = { ttl: 0, id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.ttl = r.int64();
          break;
        }
        case 16: {
          m.id = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ ttl: m.ttl ?? 0, id: m.id ?? 0n }),
);

export interface LeaseGrantResponse {
  header: ResponseHeader | undefined;
  id: bigint;
  ttl: number;
  error: string;
}

export const LeaseGrantResponse: MessageCodec<LeaseGrantResponse> = codec<LeaseGrantResponse>(
  'etcdserverpb.LeaseGrantResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.id) {
      w.uint32(16).bigInt64(m.id);
    }
    if (m.ttl) {
      w.uint32(24).int64(m.ttl);
    }
    if (m.error) {
      w.uint32(34).string(m.error);
    }
  },
  (r, end) => {
    const m: LeaseGrantResponse = { header: undefined, id: 0n, ttl: 0, error: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.id = r.bigInt64();
          break;
        }
        case 24: {
          m.ttl = r.int64();
          break;
        }
        case 34: {
          m.error = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    id: m.id ?? 0n,
    ttl: m.ttl ?? 0,
    error: m.error ?? '',
  }),
);

export interface LeaseRevokeRequest {
  id: bigint;
}

export const LeaseRevokeRequest: MessageCodec<LeaseRevokeRequest> = codec<LeaseRevokeRequest>(
  'etcdserverpb.LeaseRevokeRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigInt64(m.id);
    }
  },
  (r, end) => {
    const m: LeaseRevokeRequest = { id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n }),
);

export interface LeaseRevokeResponse {
  header: ResponseHeader | undefined;
}

export const LeaseRevokeResponse: MessageCodec<LeaseRevokeResponse> = codec<LeaseRevokeResponse>(
  'etcdserverpb.LeaseRevokeResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: LeaseRevokeResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface LeaseCheckpoint {
  id: bigint;
  remainingTtl: number;
}

export const LeaseCheckpoint: MessageCodec<LeaseCheckpoint> = codec<LeaseCheckpoint>(
  'etcdserverpb.LeaseCheckpoint',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigInt64(m.id);
    }
    if (m.remainingTtl) {
      w.uint32(16).int64(m.remainingTtl);
    }
  },
  (r, end) => {
    const m: LeaseCheckpoint = { id: 0n, remainingTtl: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigInt64();
          break;
        }
        case 16: {
          m.remainingTtl = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n, remainingTtl: m.remainingTtl ?? 0 }),
);

export interface LeaseCheckpointRequest {
  checkpoints: LeaseCheckpoint[];
}

export const LeaseCheckpointRequest: MessageCodec<LeaseCheckpointRequest> = codec<LeaseCheckpointRequest>(
  'etcdserverpb.LeaseCheckpointRequest',
  (w, m) => {
    if (m.checkpoints !== undefined)
      for (const item of m.checkpoints) {
        const start = w.open(10);
        LeaseCheckpoint.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: LeaseCheckpointRequest = { checkpoints: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.checkpoints.push(LeaseCheckpoint.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ checkpoints: (m.checkpoints ?? []).map((item) => LeaseCheckpoint.create(item)) }),
);

export interface LeaseCheckpointResponse {
  header: ResponseHeader | undefined;
}

export const LeaseCheckpointResponse: MessageCodec<LeaseCheckpointResponse> = codec<LeaseCheckpointResponse>(
  'etcdserverpb.LeaseCheckpointResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: LeaseCheckpointResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface LeaseKeepAliveRequest {
  id: bigint;
}

export const LeaseKeepAliveRequest: MessageCodec<LeaseKeepAliveRequest> = codec<LeaseKeepAliveRequest>(
  'etcdserverpb.LeaseKeepAliveRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigInt64(m.id);
    }
  },
  (r, end) => {
    const m: LeaseKeepAliveRequest = { id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n }),
);

export interface LeaseKeepAliveResponse {
  header: ResponseHeader | undefined;
  id: bigint;
  ttl: number;
}

export const LeaseKeepAliveResponse: MessageCodec<LeaseKeepAliveResponse> = codec<LeaseKeepAliveResponse>(
  'etcdserverpb.LeaseKeepAliveResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.id) {
      w.uint32(16).bigInt64(m.id);
    }
    if (m.ttl) {
      w.uint32(24).int64(m.ttl);
    }
  },
  (r, end) => {
    const m: LeaseKeepAliveResponse = { header: undefined, id: 0n, ttl: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.id = r.bigInt64();
          break;
        }
        case 24: {
          m.ttl = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    id: m.id ?? 0n,
    ttl: m.ttl ?? 0,
  }),
);

export interface LeaseTimeToLiveRequest {
  id: bigint;
  keys: boolean;
}

export const LeaseTimeToLiveRequest: MessageCodec<LeaseTimeToLiveRequest> = codec<LeaseTimeToLiveRequest>(
  'etcdserverpb.LeaseTimeToLiveRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigInt64(m.id);
    }
    if (m.keys) {
      w.uint32(16).bool(m.keys);
    }
  },
  (r, end) => {
    const m: LeaseTimeToLiveRequest = { id: 0n, keys: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigInt64();
          break;
        }
        case 16: {
          m.keys = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n, keys: m.keys ?? false }),
);

export interface LeaseTimeToLiveResponse {
  header: ResponseHeader | undefined;
  id: bigint;
  ttl: number;
  grantedTtl: number;
  keys: Uint8Array[];
}

export const LeaseTimeToLiveResponse: MessageCodec<LeaseTimeToLiveResponse> = codec<LeaseTimeToLiveResponse>(
  'etcdserverpb.LeaseTimeToLiveResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.id) {
      w.uint32(16).bigInt64(m.id);
    }
    if (m.ttl) {
      w.uint32(24).int64(m.ttl);
    }
    if (m.grantedTtl) {
      w.uint32(32).int64(m.grantedTtl);
    }
    if (m.keys !== undefined)
      for (const item of m.keys) {
        w.uint32(42).bytes(item);
      }
  },
  (r, end) => {
    const m: LeaseTimeToLiveResponse = { header: undefined, id: 0n, ttl: 0, grantedTtl: 0, keys: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.id = r.bigInt64();
          break;
        }
        case 24: {
          m.ttl = r.int64();
          break;
        }
        case 32: {
          m.grantedTtl = r.int64();
          break;
        }
        case 42: {
          m.keys.push(r.bytes());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    id: m.id ?? 0n,
    ttl: m.ttl ?? 0,
    grantedTtl: m.grantedTtl ?? 0,
    keys: [...(m.keys ?? [])],
  }),
);

export interface LeaseLeasesRequest {}

export const LeaseLeasesRequest: MessageCodec<LeaseLeasesRequest> = codec<LeaseLeasesRequest>(
  'etcdserverpb.LeaseLeasesRequest',
  () => {},
  (r, end) => {
    const m: LeaseLeasesRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface LeaseStatus {
  id: bigint;
}

export const LeaseStatus: MessageCodec<LeaseStatus> = codec<LeaseStatus>(
  'etcdserverpb.LeaseStatus',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigInt64(m.id);
    }
  },
  (r, end) => {
    const m: LeaseStatus = { id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n }),
);

export interface LeaseLeasesResponse {
  header: ResponseHeader | undefined;
  leases: LeaseStatus[];
}

export const LeaseLeasesResponse: MessageCodec<LeaseLeasesResponse> = codec<LeaseLeasesResponse>(
  'etcdserverpb.LeaseLeasesResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.leases !== undefined)
      for (const item of m.leases) {
        const start = w.open(18);
        LeaseStatus.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: LeaseLeasesResponse = { header: undefined, leases: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.leases.push(LeaseStatus.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    leases: (m.leases ?? []).map((item) => LeaseStatus.create(item)),
  }),
);

export interface Member {
  id: bigint;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

export const Member: MessageCodec<Member> = codec<Member>(
  'etcdserverpb.Member',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigUint64(m.id);
    }
    if (m.name) {
      w.uint32(18).string(m.name);
    }
    if (m.peerUrls !== undefined)
      for (const item of m.peerUrls) {
        w.uint32(26).string(item);
      }
    if (m.clientUrls !== undefined)
      for (const item of m.clientUrls) {
        w.uint32(34).string(item);
      }
    if (m.isLearner) {
      w.uint32(40).bool(m.isLearner);
    }
  },
  (r, end) => {
    const m: Member = { id: 0n, name: '', peerUrls: [], clientUrls: [], isLearner: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigUint64();
          break;
        }
        case 18: {
          m.name = r.string();
          break;
        }
        case 26: {
          m.peerUrls.push(r.string());
          break;
        }
        case 34: {
          m.clientUrls.push(r.string());
          break;
        }
        case 40: {
          m.isLearner = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    id: m.id ?? 0n,
    name: m.name ?? '',
    peerUrls: [...(m.peerUrls ?? [])],
    clientUrls: [...(m.clientUrls ?? [])],
    isLearner: m.isLearner ?? false,
  }),
);

export interface MemberAddRequest {
  peerUrls: string[];
  isLearner: boolean;
}

export const MemberAddRequest: MessageCodec<MemberAddRequest> = codec<MemberAddRequest>(
  'etcdserverpb.MemberAddRequest',
  (w, m) => {
    if (m.peerUrls !== undefined)
      for (const item of m.peerUrls) {
        w.uint32(10).string(item);
      }
    if (m.isLearner) {
      w.uint32(16).bool(m.isLearner);
    }
  },
  (r, end) => {
    const m: MemberAddRequest = { peerUrls: [], isLearner: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.peerUrls.push(r.string());
          break;
        }
        case 16: {
          m.isLearner = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ peerUrls: [...(m.peerUrls ?? [])], isLearner: m.isLearner ?? false }),
);

export interface MemberAddResponse {
  header: ResponseHeader | undefined;
  member: Member | undefined;
  members: Member[];
}

export const MemberAddResponse: MessageCodec<MemberAddResponse> = codec<MemberAddResponse>(
  'etcdserverpb.MemberAddResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.member !== undefined) {
      const start = w.open(18);
      Member.write(w, m.member);
      w.close(start);
    }
    if (m.members !== undefined)
      for (const item of m.members) {
        const start = w.open(26);
        Member.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: MemberAddResponse = { header: undefined, member: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.member = Member.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.members.push(Member.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    member: m.member === undefined ? undefined : Member.create(m.member),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface MemberRemoveRequest {
  id: bigint;
}

export const MemberRemoveRequest: MessageCodec<MemberRemoveRequest> = codec<MemberRemoveRequest>(
  'etcdserverpb.MemberRemoveRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigUint64(m.id);
    }
  },
  (r, end) => {
    const m: MemberRemoveRequest = { id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigUint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n }),
);

export interface MemberRemoveResponse {
  header: ResponseHeader | undefined;
  members: Member[];
}

export const MemberRemoveResponse: MessageCodec<MemberRemoveResponse> = codec<MemberRemoveResponse>(
  'etcdserverpb.MemberRemoveResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.members !== undefined)
      for (const item of m.members) {
        const start = w.open(18);
        Member.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: MemberRemoveResponse = { header: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.members.push(Member.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface MemberUpdateRequest {
  id: bigint;
  peerUrls: string[];
}

export const MemberUpdateRequest: MessageCodec<MemberUpdateRequest> = codec<MemberUpdateRequest>(
  'etcdserverpb.MemberUpdateRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigUint64(m.id);
    }
    if (m.peerUrls !== undefined)
      for (const item of m.peerUrls) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: MemberUpdateRequest = { id: 0n, peerUrls: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigUint64();
          break;
        }
        case 18: {
          m.peerUrls.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n, peerUrls: [...(m.peerUrls ?? [])] }),
);

export interface MemberUpdateResponse {
  header: ResponseHeader | undefined;
  members: Member[];
}

export const MemberUpdateResponse: MessageCodec<MemberUpdateResponse> = codec<MemberUpdateResponse>(
  'etcdserverpb.MemberUpdateResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.members !== undefined)
      for (const item of m.members) {
        const start = w.open(18);
        Member.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: MemberUpdateResponse = { header: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.members.push(Member.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface MemberListRequest {
  linearizable: boolean;
}

export const MemberListRequest: MessageCodec<MemberListRequest> = codec<MemberListRequest>(
  'etcdserverpb.MemberListRequest',
  (w, m) => {
    if (m.linearizable) {
      w.uint32(8).bool(m.linearizable);
    }
  },
  (r, end) => {
    const m: MemberListRequest = { linearizable: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.linearizable = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ linearizable: m.linearizable ?? false }),
);

export interface MemberListResponse {
  header: ResponseHeader | undefined;
  members: Member[];
}

export const MemberListResponse: MessageCodec<MemberListResponse> = codec<MemberListResponse>(
  'etcdserverpb.MemberListResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.members !== undefined)
      for (const item of m.members) {
        const start = w.open(18);
        Member.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: MemberListResponse = { header: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.members.push(Member.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface MemberPromoteRequest {
  id: bigint;
}

export const MemberPromoteRequest: MessageCodec<MemberPromoteRequest> = codec<MemberPromoteRequest>(
  'etcdserverpb.MemberPromoteRequest',
  (w, m) => {
    if (m.id) {
      w.uint32(8).bigUint64(m.id);
    }
  },
  (r, end) => {
    const m: MemberPromoteRequest = { id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.id = r.bigUint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? 0n }),
);

export interface MemberPromoteResponse {
  header: ResponseHeader | undefined;
  members: Member[];
}

export const MemberPromoteResponse: MessageCodec<MemberPromoteResponse> = codec<MemberPromoteResponse>(
  'etcdserverpb.MemberPromoteResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.members !== undefined)
      for (const item of m.members) {
        const start = w.open(18);
        Member.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: MemberPromoteResponse = { header: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.members.push(Member.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface DefragmentRequest {}

export const DefragmentRequest: MessageCodec<DefragmentRequest> = codec<DefragmentRequest>(
  'etcdserverpb.DefragmentRequest',
  () => {},
  (r, end) => {
    const m: DefragmentRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface DefragmentResponse {
  header: ResponseHeader | undefined;
}

export const DefragmentResponse: MessageCodec<DefragmentResponse> = codec<DefragmentResponse>(
  'etcdserverpb.DefragmentResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: DefragmentResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface MoveLeaderRequest {
  targetId: bigint;
}

export const MoveLeaderRequest: MessageCodec<MoveLeaderRequest> = codec<MoveLeaderRequest>(
  'etcdserverpb.MoveLeaderRequest',
  (w, m) => {
    if (m.targetId) {
      w.uint32(8).bigUint64(m.targetId);
    }
  },
  (r, end) => {
    const m: MoveLeaderRequest = { targetId: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.targetId = r.bigUint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ targetId: m.targetId ?? 0n }),
);

export interface MoveLeaderResponse {
  header: ResponseHeader | undefined;
}

export const MoveLeaderResponse: MessageCodec<MoveLeaderResponse> = codec<MoveLeaderResponse>(
  'etcdserverpb.MoveLeaderResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: MoveLeaderResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export const AlarmType = {
  NONE: 0,
  NOSPACE: 1,
  CORRUPT: 2,
} as const;

export const AlarmAction = {
  GET: 0,
  ACTIVATE: 1,
  DEACTIVATE: 2,
} as const;

export interface AlarmRequest {
  action: number;
  memberId: bigint;
  alarm: number;
}

export const AlarmRequest: MessageCodec<AlarmRequest> = codec<AlarmRequest>(
  'etcdserverpb.AlarmRequest',
  (w, m) => {
    if (m.action) {
      w.uint32(8).int32(m.action);
    }
    if (m.memberId) {
      w.uint32(16).bigUint64(m.memberId);
    }
    if (m.alarm) {
      w.uint32(24).int32(m.alarm);
    }
  },
  (r, end) => {
    const m: AlarmRequest = { action: 0, memberId: 0n, alarm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.action = r.int32();
          break;
        }
        case 16: {
          m.memberId = r.bigUint64();
          break;
        }
        case 24: {
          m.alarm = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ action: m.action ?? 0, memberId: m.memberId ?? 0n, alarm: m.alarm ?? 0 }),
);

export interface AlarmMember {
  memberId: bigint;
  alarm: number;
}

export const AlarmMember: MessageCodec<AlarmMember> = codec<AlarmMember>(
  'etcdserverpb.AlarmMember',
  (w, m) => {
    if (m.memberId) {
      w.uint32(8).bigUint64(m.memberId);
    }
    if (m.alarm) {
      w.uint32(16).int32(m.alarm);
    }
  },
  (r, end) => {
    const m: AlarmMember = { memberId: 0n, alarm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.memberId = r.bigUint64();
          break;
        }
        case 16: {
          m.alarm = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ memberId: m.memberId ?? 0n, alarm: m.alarm ?? 0 }),
);

export interface AlarmResponse {
  header: ResponseHeader | undefined;
  alarms: AlarmMember[];
}

export const AlarmResponse: MessageCodec<AlarmResponse> = codec<AlarmResponse>(
  'etcdserverpb.AlarmResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.alarms !== undefined)
      for (const item of m.alarms) {
        const start = w.open(18);
        AlarmMember.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: AlarmResponse = { header: undefined, alarms: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.alarms.push(AlarmMember.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    alarms: (m.alarms ?? []).map((item) => AlarmMember.create(item)),
  }),
);

export const DowngradeAction = {
  VALIDATE: 0,
  ENABLE: 1,
  CANCEL: 2,
} as const;

export interface DowngradeRequest {
  action: number;
  version: string;
}

export const DowngradeRequest: MessageCodec<DowngradeRequest> = codec<DowngradeRequest>(
  'etcdserverpb.DowngradeRequest',
  (w, m) => {
    if (m.action) {
      w.uint32(8).int32(m.action);
    }
    if (m.version) {
      w.uint32(18).string(m.version);
    }
  },
  (r, end) => {
    const m: DowngradeRequest = { action: 0, version: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.action = r.int32();
          break;
        }
        case 18: {
          m.version = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ action: m.action ?? 0, version: m.version ?? '' }),
);

export interface DowngradeResponse {
  header: ResponseHeader | undefined;
  version: string;
}

export const DowngradeResponse: MessageCodec<DowngradeResponse> = codec<DowngradeResponse>(
  'etcdserverpb.DowngradeResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.version) {
      w.uint32(18).string(m.version);
    }
  },
  (r, end) => {
    const m: DowngradeResponse = { header: undefined, version: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.version = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header), version: m.version ?? '' }),
);

export interface StatusRequest {}

export const StatusRequest: MessageCodec<StatusRequest> = codec<StatusRequest>(
  'etcdserverpb.StatusRequest',
  () => {},
  (r, end) => {
    const m: StatusRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface StatusResponse {
  header: ResponseHeader | undefined;
  version: string;
  dbSize: number;
  leader: bigint;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
  isLearner: boolean;
  storageVersion: string;
  dbSizeQuota: number;
  downgradeInfo: DowngradeInfo | undefined;
}

export const StatusResponse: MessageCodec<StatusResponse> = codec<StatusResponse>(
  'etcdserverpb.StatusResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.version) {
      w.uint32(18).string(m.version);
    }
    if (m.dbSize) {
      w.uint32(24).int64(m.dbSize);
    }
    if (m.leader) {
      w.uint32(32).bigUint64(m.leader);
    }
    if (m.raftIndex) {
      w.uint32(40).uint64(m.raftIndex);
    }
    if (m.raftTerm) {
      w.uint32(48).uint64(m.raftTerm);
    }
    if (m.raftAppliedIndex) {
      w.uint32(56).uint64(m.raftAppliedIndex);
    }
    if (m.errors !== undefined)
      for (const item of m.errors) {
        w.uint32(66).string(item);
      }
    if (m.dbSizeInUse) {
      w.uint32(72).int64(m.dbSizeInUse);
    }
    if (m.isLearner) {
      w.uint32(80).bool(m.isLearner);
    }
    if (m.storageVersion) {
      w.uint32(90).string(m.storageVersion);
    }
    if (m.dbSizeQuota) {
      w.uint32(96).int64(m.dbSizeQuota);
    }
    if (m.downgradeInfo !== undefined) {
      const start = w.open(106);
      DowngradeInfo.write(w, m.downgradeInfo);
      w.close(start);
    }
  },
  (r, end) => {
    const m: StatusResponse = {
      header: undefined,
      version: '',
      dbSize: 0,
      leader: 0n,
      raftIndex: 0,
      raftTerm: 0,
      raftAppliedIndex: 0,
      errors: [],
      dbSizeInUse: 0,
      isLearner: false,
      storageVersion: '',
      dbSizeQuota: 0,
      downgradeInfo: undefined,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.version = r.string();
          break;
        }
        case 24: {
          m.dbSize = r.int64();
          break;
        }
        case 32: {
          m.leader = r.bigUint64();
          break;
        }
        case 40: {
          m.raftIndex = r.uint64();
          break;
        }
        case 48: {
          m.raftTerm = r.uint64();
          break;
        }
        case 56: {
          m.raftAppliedIndex = r.uint64();
          break;
        }
        case 66: {
          m.errors.push(r.string());
          break;
        }
        case 72: {
          m.dbSizeInUse = r.int64();
          break;
        }
        case 80: {
          m.isLearner = r.bool();
          break;
        }
        case 90: {
          m.storageVersion = r.string();
          break;
        }
        case 96: {
          m.dbSizeQuota = r.int64();
          break;
        }
        case 106: {
          const to = r.enter();
          m.downgradeInfo = DowngradeInfo.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    version: m.version ?? '',
    dbSize: m.dbSize ?? 0,
    leader: m.leader ?? 0n,
    raftIndex: m.raftIndex ?? 0,
    raftTerm: m.raftTerm ?? 0,
    raftAppliedIndex: m.raftAppliedIndex ?? 0,
    errors: [...(m.errors ?? [])],
    dbSizeInUse: m.dbSizeInUse ?? 0,
    isLearner: m.isLearner ?? false,
    storageVersion: m.storageVersion ?? '',
    dbSizeQuota: m.dbSizeQuota ?? 0,
    downgradeInfo: m.downgradeInfo === undefined ? undefined : DowngradeInfo.create(m.downgradeInfo),
  }),
);

export interface DowngradeInfo {
  enabled: boolean;
  targetVersion: string;
}

export const DowngradeInfo: MessageCodec<DowngradeInfo> = codec<DowngradeInfo>(
  'etcdserverpb.DowngradeInfo',
  (w, m) => {
    if (m.enabled) {
      w.uint32(8).bool(m.enabled);
    }
    if (m.targetVersion) {
      w.uint32(18).string(m.targetVersion);
    }
  },
  (r, end) => {
    const m: DowngradeInfo = { enabled: false, targetVersion: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.enabled = r.bool();
          break;
        }
        case 18: {
          m.targetVersion = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ enabled: m.enabled ?? false, targetVersion: m.targetVersion ?? '' }),
);

export interface AuthEnableRequest {}

export const AuthEnableRequest: MessageCodec<AuthEnableRequest> = codec<AuthEnableRequest>(
  'etcdserverpb.AuthEnableRequest',
  () => {},
  (r, end) => {
    const m: AuthEnableRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface AuthDisableRequest {}

export const AuthDisableRequest: MessageCodec<AuthDisableRequest> = codec<AuthDisableRequest>(
  'etcdserverpb.AuthDisableRequest',
  () => {},
  (r, end) => {
    const m: AuthDisableRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface AuthStatusRequest {}

export const AuthStatusRequest: MessageCodec<AuthStatusRequest> = codec<AuthStatusRequest>(
  'etcdserverpb.AuthStatusRequest',
  () => {},
  (r, end) => {
    const m: AuthStatusRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface AuthenticateRequest {
  name: string;
  password: string;
}

export const AuthenticateRequest: MessageCodec<AuthenticateRequest> = codec<AuthenticateRequest>(
  'etcdserverpb.AuthenticateRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.password) {
      w.uint32(18).string(m.password);
    }
  },
  (r, end) => {
    const m: AuthenticateRequest = { name: '', password: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          m.password = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', password: m.password ?? '' }),
);

export interface AuthUserAddRequest {
  name: string;
  password: string;
  options: UserAddOptions | undefined;
  hashedPassword: string;
}

export const AuthUserAddRequest: MessageCodec<AuthUserAddRequest> = codec<AuthUserAddRequest>(
  'etcdserverpb.AuthUserAddRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.password) {
      w.uint32(18).string(m.password);
    }
    if (m.options !== undefined) {
      const start = w.open(26);
      UserAddOptions.write(w, m.options);
      w.close(start);
    }
    if (m.hashedPassword) {
      w.uint32(34).string(m.hashedPassword);
    }
  },
  (r, end) => {
    const m: AuthUserAddRequest = { name: '', password: '', options: undefined, hashedPassword: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          m.password = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          m.options = UserAddOptions.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          m.hashedPassword = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    name: m.name ?? '',
    password: m.password ?? '',
    options: m.options === undefined ? undefined : UserAddOptions.create(m.options),
    hashedPassword: m.hashedPassword ?? '',
  }),
);

export interface AuthUserGetRequest {
  name: string;
}

export const AuthUserGetRequest: MessageCodec<AuthUserGetRequest> = codec<AuthUserGetRequest>(
  'etcdserverpb.AuthUserGetRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
  },
  (r, end) => {
    const m: AuthUserGetRequest = { name: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '' }),
);

export interface AuthUserDeleteRequest {
  name: string;
}

export const AuthUserDeleteRequest: MessageCodec<AuthUserDeleteRequest> = codec<AuthUserDeleteRequest>(
  'etcdserverpb.AuthUserDeleteRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
  },
  (r, end) => {
    const m: AuthUserDeleteRequest = { name: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '' }),
);

export interface AuthUserChangePasswordRequest {
  name: string;
  password: string;
  hashedPassword: string;
}

export const AuthUserChangePasswordRequest: MessageCodec<AuthUserChangePasswordRequest> =
  codec<AuthUserChangePasswordRequest>(
    'etcdserverpb.AuthUserChangePasswordRequest',
    (w, m) => {
      if (m.name) {
        w.uint32(10).string(m.name);
      }
      if (m.password) {
        w.uint32(18).string(m.password);
      }
      if (m.hashedPassword) {
        w.uint32(26).string(m.hashedPassword);
      }
    },
    (r, end) => {
      const m: AuthUserChangePasswordRequest = { name: '', password: '', hashedPassword: '' };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            m.name = r.string();
            break;
          }
          case 18: {
            m.password = r.string();
            break;
          }
          case 26: {
            m.hashedPassword = r.string();
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ name: m.name ?? '', password: m.password ?? '', hashedPassword: m.hashedPassword ?? '' }),
  );

export interface AuthUserGrantRoleRequest {
  user: string;
  role: string;
}

export const AuthUserGrantRoleRequest: MessageCodec<AuthUserGrantRoleRequest> = codec<AuthUserGrantRoleRequest>(
  'etcdserverpb.AuthUserGrantRoleRequest',
  (w, m) => {
    if (m.user) {
      w.uint32(10).string(m.user);
    }
    if (m.role) {
      w.uint32(18).string(m.role);
    }
  },
  (r, end) => {
    const m: AuthUserGrantRoleRequest = { user: '', role: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.user = r.string();
          break;
        }
        case 18: {
          m.role = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ user: m.user ?? '', role: m.role ?? '' }),
);

export interface AuthUserRevokeRoleRequest {
  name: string;
  role: string;
}

export const AuthUserRevokeRoleRequest: MessageCodec<AuthUserRevokeRoleRequest> = codec<AuthUserRevokeRoleRequest>(
  'etcdserverpb.AuthUserRevokeRoleRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.role) {
      w.uint32(18).string(m.role);
    }
  },
  (r, end) => {
    const m: AuthUserRevokeRoleRequest = { name: '', role: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          m.role = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', role: m.role ?? '' }),
);

export interface AuthRoleAddRequest {
  name: string;
}

export const AuthRoleAddRequest: MessageCodec<AuthRoleAddRequest> = codec<AuthRoleAddRequest>(
  'etcdserverpb.AuthRoleAddRequest',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
  },
  (r, end) => {
    const m: AuthRoleAddRequest = { name: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '' }),
);

export interface AuthRoleGetRequest {
  role: string;
}

export const AuthRoleGetRequest: MessageCodec<AuthRoleGetRequest> = codec<AuthRoleGetRequest>(
  'etcdserverpb.AuthRoleGetRequest',
  (w, m) => {
    if (m.role) {
      w.uint32(10).string(m.role);
    }
  },
  (r, end) => {
    const m: AuthRoleGetRequest = { role: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.role = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ role: m.role ?? '' }),
);

export interface AuthUserListRequest {}

export const AuthUserListRequest: MessageCodec<AuthUserListRequest> = codec<AuthUserListRequest>(
  'etcdserverpb.AuthUserListRequest',
  () => {},
  (r, end) => {
    const m: AuthUserListRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface AuthRoleListRequest {}

export const AuthRoleListRequest: MessageCodec<AuthRoleListRequest> = codec<AuthRoleListRequest>(
  'etcdserverpb.AuthRoleListRequest',
  () => {},
  (r, end) => {
    const m: AuthRoleListRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface AuthRoleDeleteRequest {
  role: string;
}

export const AuthRoleDeleteRequest: MessageCodec<AuthRoleDeleteRequest> = codec<AuthRoleDeleteRequest>(
  'etcdserverpb.AuthRoleDeleteRequest',
  (w, m) => {
    if (m.role) {
      w.uint32(10).string(m.role);
    }
  },
  (r, end) => {
    const m: AuthRoleDeleteRequest = { role: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.role = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ role: m.role ?? '' }),
);

export interface AuthRoleGrantPermissionRequest {
  name: string;
  perm: Permission | undefined;
}

export const AuthRoleGrantPermissionRequest: MessageCodec<AuthRoleGrantPermissionRequest> =
  codec<AuthRoleGrantPermissionRequest>(
    'etcdserverpb.AuthRoleGrantPermissionRequest',
    (w, m) => {
      if (m.name) {
        w.uint32(10).string(m.name);
      }
      if (m.perm !== undefined) {
        const start = w.open(18);
        Permission.write(w, m.perm);
        w.close(start);
      }
    },
    (r, end) => {
      const m: AuthRoleGrantPermissionRequest = { name: '', perm: undefined };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            m.name = r.string();
            break;
          }
          case 18: {
            const to = r.enter();
            m.perm = Permission.read(r, to);
            r.leave(to);
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ name: m.name ?? '', perm: m.perm === undefined ? undefined : Permission.create(m.perm) }),
  );

export interface AuthRoleRevokePermissionRequest {
  role: string;
  key: Uint8Array;
  rangeEnd: Uint8Array;
}

export const AuthRoleRevokePermissionRequest: MessageCodec<AuthRoleRevokePermissionRequest> =
  codec<AuthRoleRevokePermissionRequest>(
    'etcdserverpb.AuthRoleRevokePermissionRequest',
    (w, m) => {
      if (m.role) {
        w.uint32(10).string(m.role);
      }
      if (m.key !== undefined && m.key.length > 0) {
        w.uint32(18).bytes(m.key);
      }
      if (m.rangeEnd !== undefined && m.rangeEnd.length > 0) {
        w.uint32(26).bytes(m.rangeEnd);
      }
    },
    (r, end) => {
      const m: AuthRoleRevokePermissionRequest = { role: '', key: EMPTY, rangeEnd: EMPTY };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            m.role = r.string();
            break;
          }
          case 18: {
            m.key = r.bytes();
            break;
          }
          case 26: {
            m.rangeEnd = r.bytes();
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ role: m.role ?? '', key: m.key ?? EMPTY, rangeEnd: m.rangeEnd ?? EMPTY }),
  );

export interface AuthEnableResponse {
  header: ResponseHeader | undefined;
}

export const AuthEnableResponse: MessageCodec<AuthEnableResponse> = codec<AuthEnableResponse>(
  'etcdserverpb.AuthEnableResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthEnableResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthDisableResponse {
  header: ResponseHeader | undefined;
}

export const AuthDisableResponse: MessageCodec<AuthDisableResponse> = codec<AuthDisableResponse>(
  'etcdserverpb.AuthDisableResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthDisableResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthStatusResponse {
  header: ResponseHeader | undefined;
  enabled: boolean;
  authRevision: number;
}

export const AuthStatusResponse: MessageCodec<AuthStatusResponse> = codec<AuthStatusResponse>(
  'etcdserverpb.AuthStatusResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.enabled) {
      w.uint32(16).bool(m.enabled);
    }
    if (m.authRevision) {
      w.uint32(24).uint64(m.authRevision);
    }
  },
  (r, end) => {
    const m: AuthStatusResponse = { header: undefined, enabled: false, authRevision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.enabled = r.bool();
          break;
        }
        case 24: {
          m.authRevision = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    enabled: m.enabled ?? false,
    authRevision: m.authRevision ?? 0,
  }),
);

export interface AuthenticateResponse {
  header: ResponseHeader | undefined;
  token: string;
}

export const AuthenticateResponse: MessageCodec<AuthenticateResponse> = codec<AuthenticateResponse>(
  'etcdserverpb.AuthenticateResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.token) {
      w.uint32(18).string(m.token);
    }
  },
  (r, end) => {
    const m: AuthenticateResponse = { header: undefined, token: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.token = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header), token: m.token ?? '' }),
);

export interface AuthUserAddResponse {
  header: ResponseHeader | undefined;
}

export const AuthUserAddResponse: MessageCodec<AuthUserAddResponse> = codec<AuthUserAddResponse>(
  'etcdserverpb.AuthUserAddResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthUserAddResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthUserGetResponse {
  header: ResponseHeader | undefined;
  roles: string[];
}

export const AuthUserGetResponse: MessageCodec<AuthUserGetResponse> = codec<AuthUserGetResponse>(
  'etcdserverpb.AuthUserGetResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.roles !== undefined)
      for (const item of m.roles) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: AuthUserGetResponse = { header: undefined, roles: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.roles.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    roles: [...(m.roles ?? [])],
  }),
);

export interface AuthUserDeleteResponse {
  header: ResponseHeader | undefined;
}

export const AuthUserDeleteResponse: MessageCodec<AuthUserDeleteResponse> = codec<AuthUserDeleteResponse>(
  'etcdserverpb.AuthUserDeleteResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthUserDeleteResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthUserChangePasswordResponse {
  header: ResponseHeader | undefined;
}

export const AuthUserChangePasswordResponse: MessageCodec<AuthUserChangePasswordResponse> =
  codec<AuthUserChangePasswordResponse>(
    'etcdserverpb.AuthUserChangePasswordResponse',
    (w, m) => {
      if (m.header !== undefined) {
        const start = w.open(10);
        ResponseHeader.write(w, m.header);
        w.close(start);
      }
    },
    (r, end) => {
      const m: AuthUserChangePasswordResponse = { header: undefined };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            const to = r.enter();
            m.header = ResponseHeader.read(r, to);
            r.leave(to);
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
  );

export interface AuthUserGrantRoleResponse {
  header: ResponseHeader | undefined;
}

export const AuthUserGrantRoleResponse: MessageCodec<AuthUserGrantRoleResponse> = codec<AuthUserGrantRoleResponse>(
  'etcdserverpb.AuthUserGrantRoleResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthUserGrantRoleResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthUserRevokeRoleResponse {
  header: ResponseHeader | undefined;
}

export const AuthUserRevokeRoleResponse: MessageCodec<AuthUserRevokeRoleResponse> = codec<AuthUserRevokeRoleResponse>(
  'etcdserverpb.AuthUserRevokeRoleResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthUserRevokeRoleResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthRoleAddResponse {
  header: ResponseHeader | undefined;
}

export const AuthRoleAddResponse: MessageCodec<AuthRoleAddResponse> = codec<AuthRoleAddResponse>(
  'etcdserverpb.AuthRoleAddResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthRoleAddResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthRoleGetResponse {
  header: ResponseHeader | undefined;
  perm: Permission[];
}

export const AuthRoleGetResponse: MessageCodec<AuthRoleGetResponse> = codec<AuthRoleGetResponse>(
  'etcdserverpb.AuthRoleGetResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.perm !== undefined)
      for (const item of m.perm) {
        const start = w.open(18);
        Permission.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: AuthRoleGetResponse = { header: undefined, perm: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.perm.push(Permission.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    perm: (m.perm ?? []).map((item) => Permission.create(item)),
  }),
);

export interface AuthRoleListResponse {
  header: ResponseHeader | undefined;
  roles: string[];
}

export const AuthRoleListResponse: MessageCodec<AuthRoleListResponse> = codec<AuthRoleListResponse>(
  'etcdserverpb.AuthRoleListResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.roles !== undefined)
      for (const item of m.roles) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: AuthRoleListResponse = { header: undefined, roles: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.roles.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    roles: [...(m.roles ?? [])],
  }),
);

export interface AuthUserListResponse {
  header: ResponseHeader | undefined;
  users: string[];
}

export const AuthUserListResponse: MessageCodec<AuthUserListResponse> = codec<AuthUserListResponse>(
  'etcdserverpb.AuthUserListResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
    if (m.users !== undefined)
      for (const item of m.users) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: AuthUserListResponse = { header: undefined, users: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.users.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    header: m.header === undefined ? undefined : ResponseHeader.create(m.header),
    users: [...(m.users ?? [])],
  }),
);

export interface AuthRoleDeleteResponse {
  header: ResponseHeader | undefined;
}

export const AuthRoleDeleteResponse: MessageCodec<AuthRoleDeleteResponse> = codec<AuthRoleDeleteResponse>(
  'etcdserverpb.AuthRoleDeleteResponse',
  (w, m) => {
    if (m.header !== undefined) {
      const start = w.open(10);
      ResponseHeader.write(w, m.header);
      w.close(start);
    }
  },
  (r, end) => {
    const m: AuthRoleDeleteResponse = { header: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.header = ResponseHeader.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
);

export interface AuthRoleGrantPermissionResponse {
  header: ResponseHeader | undefined;
}

export const AuthRoleGrantPermissionResponse: MessageCodec<AuthRoleGrantPermissionResponse> =
  codec<AuthRoleGrantPermissionResponse>(
    'etcdserverpb.AuthRoleGrantPermissionResponse',
    (w, m) => {
      if (m.header !== undefined) {
        const start = w.open(10);
        ResponseHeader.write(w, m.header);
        w.close(start);
      }
    },
    (r, end) => {
      const m: AuthRoleGrantPermissionResponse = { header: undefined };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            const to = r.enter();
            m.header = ResponseHeader.read(r, to);
            r.leave(to);
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
  );

export interface AuthRoleRevokePermissionResponse {
  header: ResponseHeader | undefined;
}

export const AuthRoleRevokePermissionResponse: MessageCodec<AuthRoleRevokePermissionResponse> =
  codec<AuthRoleRevokePermissionResponse>(
    'etcdserverpb.AuthRoleRevokePermissionResponse',
    (w, m) => {
      if (m.header !== undefined) {
        const start = w.open(10);
        ResponseHeader.write(w, m.header);
        w.close(start);
      }
    },
    (r, end) => {
      const m: AuthRoleRevokePermissionResponse = { header: undefined };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            const to = r.enter();
            m.header = ResponseHeader.read(r, to);
            r.leave(to);
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({ header: m.header === undefined ? undefined : ResponseHeader.create(m.header) }),
  );

export const Election = {
  typeName: 'v3electionpb.Election',
  methods: {
    campaign: {
      path: '/v3electionpb.Election/Campaign',
      request: CampaignRequest,
      response: CampaignResponse,
      requestStream: false,
      responseStream: false,
    },
    proclaim: {
      path: '/v3electionpb.Election/Proclaim',
      request: ProclaimRequest,
      response: ProclaimResponse,
      requestStream: false,
      responseStream: false,
    },
    leader: {
      path: '/v3electionpb.Election/Leader',
      request: LeaderRequest,
      response: LeaderResponse,
      requestStream: false,
      responseStream: false,
    },
    observe: {
      path: '/v3electionpb.Election/Observe',
      request: LeaderRequest,
      response: LeaderResponse,
      requestStream: false,
      responseStream: true,
    },
    resign: {
      path: '/v3electionpb.Election/Resign',
      request: ResignRequest,
      response: ResignResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Lock = {
  typeName: 'v3lockpb.Lock',
  methods: {
    lock: {
      path: '/v3lockpb.Lock/Lock',
      request: LockRequest,
      response: LockResponse,
      requestStream: false,
      responseStream: false,
    },
    unlock: {
      path: '/v3lockpb.Lock/Unlock',
      request: UnlockRequest,
      response: UnlockResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const KV = {
  typeName: 'etcdserverpb.KV',
  methods: {
    range: {
      path: '/etcdserverpb.KV/Range',
      request: RangeRequest,
      response: RangeResponse,
      requestStream: false,
      responseStream: false,
    },
    rangeStream: {
      path: '/etcdserverpb.KV/RangeStream',
      request: RangeRequest,
      response: RangeStreamResponse,
      requestStream: false,
      responseStream: true,
    },
    put: {
      path: '/etcdserverpb.KV/Put',
      request: PutRequest,
      response: PutResponse,
      requestStream: false,
      responseStream: false,
    },
    deleteRange: {
      path: '/etcdserverpb.KV/DeleteRange',
      request: DeleteRangeRequest,
      response: DeleteRangeResponse,
      requestStream: false,
      responseStream: false,
    },
    txn: {
      path: '/etcdserverpb.KV/Txn',
      request: TxnRequest,
      response: TxnResponse,
      requestStream: false,
      responseStream: false,
    },
    compact: {
      path: '/etcdserverpb.KV/Compact',
      request: CompactionRequest,
      response: CompactionResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Watch = {
  typeName: 'etcdserverpb.Watch',
  methods: {
    watch: {
      path: '/etcdserverpb.Watch/Watch',
      request: WatchRequest,
      response: WatchResponse,
      requestStream: true,
      responseStream: true,
    },
  },
} as const;

export const Lease = {
  typeName: 'etcdserverpb.Lease',
  methods: {
    leaseGrant: {
      path: '/etcdserverpb.Lease/LeaseGrant',
      request: LeaseGrantRequest,
      response: LeaseGrantResponse,
      requestStream: false,
      responseStream: false,
    },
    leaseRevoke: {
      path: '/etcdserverpb.Lease/LeaseRevoke',
      request: LeaseRevokeRequest,
      response: LeaseRevokeResponse,
      requestStream: false,
      responseStream: false,
    },
    leaseKeepAlive: {
      path: '/etcdserverpb.Lease/LeaseKeepAlive',
      request: LeaseKeepAliveRequest,
      response: LeaseKeepAliveResponse,
      requestStream: true,
      responseStream: true,
    },
    leaseTimeToLive: {
      path: '/etcdserverpb.Lease/LeaseTimeToLive',
      request: LeaseTimeToLiveRequest,
      response: LeaseTimeToLiveResponse,
      requestStream: false,
      responseStream: false,
    },
    leaseLeases: {
      path: '/etcdserverpb.Lease/LeaseLeases',
      request: LeaseLeasesRequest,
      response: LeaseLeasesResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Cluster = {
  typeName: 'etcdserverpb.Cluster',
  methods: {
    memberAdd: {
      path: '/etcdserverpb.Cluster/MemberAdd',
      request: MemberAddRequest,
      response: MemberAddResponse,
      requestStream: false,
      responseStream: false,
    },
    memberRemove: {
      path: '/etcdserverpb.Cluster/MemberRemove',
      request: MemberRemoveRequest,
      response: MemberRemoveResponse,
      requestStream: false,
      responseStream: false,
    },
    memberUpdate: {
      path: '/etcdserverpb.Cluster/MemberUpdate',
      request: MemberUpdateRequest,
      response: MemberUpdateResponse,
      requestStream: false,
      responseStream: false,
    },
    memberList: {
      path: '/etcdserverpb.Cluster/MemberList',
      request: MemberListRequest,
      response: MemberListResponse,
      requestStream: false,
      responseStream: false,
    },
    memberPromote: {
      path: '/etcdserverpb.Cluster/MemberPromote',
      request: MemberPromoteRequest,
      response: MemberPromoteResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Maintenance = {
  typeName: 'etcdserverpb.Maintenance',
  methods: {
    alarm: {
      path: '/etcdserverpb.Maintenance/Alarm',
      request: AlarmRequest,
      response: AlarmResponse,
      requestStream: false,
      responseStream: false,
    },
    status: {
      path: '/etcdserverpb.Maintenance/Status',
      request: StatusRequest,
      response: StatusResponse,
      requestStream: false,
      responseStream: false,
    },
    defragment: {
      path: '/etcdserverpb.Maintenance/Defragment',
      request: DefragmentRequest,
      response: DefragmentResponse,
      requestStream: false,
      responseStream: false,
    },
    hash: {
      path: '/etcdserverpb.Maintenance/Hash',
      request: HashRequest,
      response: HashResponse,
      requestStream: false,
      responseStream: false,
    },
    hashKV: {
      path: '/etcdserverpb.Maintenance/HashKV',
      request: HashKVRequest,
      response: HashKVResponse,
      requestStream: false,
      responseStream: false,
    },
    snapshot: {
      path: '/etcdserverpb.Maintenance/Snapshot',
      request: SnapshotRequest,
      response: SnapshotResponse,
      requestStream: false,
      responseStream: true,
    },
    moveLeader: {
      path: '/etcdserverpb.Maintenance/MoveLeader',
      request: MoveLeaderRequest,
      response: MoveLeaderResponse,
      requestStream: false,
      responseStream: false,
    },
    downgrade: {
      path: '/etcdserverpb.Maintenance/Downgrade',
      request: DowngradeRequest,
      response: DowngradeResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Auth = {
  typeName: 'etcdserverpb.Auth',
  methods: {
    authEnable: {
      path: '/etcdserverpb.Auth/AuthEnable',
      request: AuthEnableRequest,
      response: AuthEnableResponse,
      requestStream: false,
      responseStream: false,
    },
    authDisable: {
      path: '/etcdserverpb.Auth/AuthDisable',
      request: AuthDisableRequest,
      response: AuthDisableResponse,
      requestStream: false,
      responseStream: false,
    },
    authStatus: {
      path: '/etcdserverpb.Auth/AuthStatus',
      request: AuthStatusRequest,
      response: AuthStatusResponse,
      requestStream: false,
      responseStream: false,
    },
    authenticate: {
      path: '/etcdserverpb.Auth/Authenticate',
      request: AuthenticateRequest,
      response: AuthenticateResponse,
      requestStream: false,
      responseStream: false,
    },
    userAdd: {
      path: '/etcdserverpb.Auth/UserAdd',
      request: AuthUserAddRequest,
      response: AuthUserAddResponse,
      requestStream: false,
      responseStream: false,
    },
    userGet: {
      path: '/etcdserverpb.Auth/UserGet',
      request: AuthUserGetRequest,
      response: AuthUserGetResponse,
      requestStream: false,
      responseStream: false,
    },
    userList: {
      path: '/etcdserverpb.Auth/UserList',
      request: AuthUserListRequest,
      response: AuthUserListResponse,
      requestStream: false,
      responseStream: false,
    },
    userDelete: {
      path: '/etcdserverpb.Auth/UserDelete',
      request: AuthUserDeleteRequest,
      response: AuthUserDeleteResponse,
      requestStream: false,
      responseStream: false,
    },
    userChangePassword: {
      path: '/etcdserverpb.Auth/UserChangePassword',
      request: AuthUserChangePasswordRequest,
      response: AuthUserChangePasswordResponse,
      requestStream: false,
      responseStream: false,
    },
    userGrantRole: {
      path: '/etcdserverpb.Auth/UserGrantRole',
      request: AuthUserGrantRoleRequest,
      response: AuthUserGrantRoleResponse,
      requestStream: false,
      responseStream: false,
    },
    userRevokeRole: {
      path: '/etcdserverpb.Auth/UserRevokeRole',
      request: AuthUserRevokeRoleRequest,
      response: AuthUserRevokeRoleResponse,
      requestStream: false,
      responseStream: false,
    },
    roleAdd: {
      path: '/etcdserverpb.Auth/RoleAdd',
      request: AuthRoleAddRequest,
      response: AuthRoleAddResponse,
      requestStream: false,
      responseStream: false,
    },
    roleGet: {
      path: '/etcdserverpb.Auth/RoleGet',
      request: AuthRoleGetRequest,
      response: AuthRoleGetResponse,
      requestStream: false,
      responseStream: false,
    },
    roleList: {
      path: '/etcdserverpb.Auth/RoleList',
      request: AuthRoleListRequest,
      response: AuthRoleListResponse,
      requestStream: false,
      responseStream: false,
    },
    roleDelete: {
      path: '/etcdserverpb.Auth/RoleDelete',
      request: AuthRoleDeleteRequest,
      response: AuthRoleDeleteResponse,
      requestStream: false,
      responseStream: false,
    },
    roleGrantPermission: {
      path: '/etcdserverpb.Auth/RoleGrantPermission',
      request: AuthRoleGrantPermissionRequest,
      response: AuthRoleGrantPermissionResponse,
      requestStream: false,
      responseStream: false,
    },
    roleRevokePermission: {
      path: '/etcdserverpb.Auth/RoleRevokePermission',
      request: AuthRoleRevokePermissionRequest,
      response: AuthRoleRevokePermissionResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;
