// Written by scripts/generate.ts from proto/podium/raft.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

const EMPTY = new Uint8Array(0);

export interface HashKvRequest {
  revision: number;
  compacted: boolean;
}

export const HashKvRequest: MessageCodec<HashKvRequest> = codec<HashKvRequest>(
  'podium.raft.v1.HashKvRequest',
  (w, m) => {
    if (m.revision) {
      w.uint32(8).int64(m.revision);
    }
    if (m.compacted) {
      w.uint32(16).bool(m.compacted);
    }
  },
  (r, end) => {
    const m: HashKvRequest = { revision: 0, compacted: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.revision = r.int64();
          break;
        }
        case 16: {
          m.compacted = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ revision: m.revision ?? 0, compacted: m.compacted ?? false }),
);

export interface HashKvResponse {
  hash: number;
  hashRevision: number;
  compactRevision: number;
}

export const HashKvResponse: MessageCodec<HashKvResponse> = codec<HashKvResponse>(
  'podium.raft.v1.HashKvResponse',
  (w, m) => {
    if (m.hash) {
      w.uint32(8).uint32(m.hash);
    }
    if (m.hashRevision) {
      w.uint32(16).int64(m.hashRevision);
    }
    if (m.compactRevision) {
      w.uint32(24).int64(m.compactRevision);
    }
  },
  (r, end) => {
    const m: HashKvResponse = { hash: 0, hashRevision: 0, compactRevision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.hash = r.uint32();
          break;
        }
        case 16: {
          m.hashRevision = r.int64();
          break;
        }
        case 24: {
          m.compactRevision = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ hash: m.hash ?? 0, hashRevision: m.hashRevision ?? 0, compactRevision: m.compactRevision ?? 0 }),
);

export interface ClusterRequest {}

export const ClusterRequest: MessageCodec<ClusterRequest> = codec<ClusterRequest>(
  'podium.raft.v1.ClusterRequest',
  () => {},
  (r, end) => {
    const m: ClusterRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface ClusterResponse {
  cluster: bigint;
  rows: MemberRows | undefined;
  confirmed: boolean;
  applied: number;
}

export const ClusterResponse: MessageCodec<ClusterResponse> = codec<ClusterResponse>(
  'podium.raft.v1.ClusterResponse',
  (w, m) => {
    if (m.cluster) {
      w.uint32(9).fixed64(m.cluster);
    }
    if (m.rows !== undefined) {
      const start = w.open(18);
      MemberRows.write(w, m.rows);
      w.close(start);
    }
    if (m.confirmed) {
      w.uint32(24).bool(m.confirmed);
    }
    if (m.applied) {
      w.uint32(32).uint64(m.applied);
    }
  },
  (r, end) => {
    const m: ClusterResponse = { cluster: 0n, rows: undefined, confirmed: false, applied: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.cluster = r.fixed64();
          break;
        }
        case 18: {
          const to = r.enter();
          m.rows = MemberRows.read(r, to);
          r.leave(to);
          break;
        }
        case 24: {
          m.confirmed = r.bool();
          break;
        }
        case 32: {
          m.applied = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    cluster: m.cluster ?? 0n,
    rows: m.rows === undefined ? undefined : MemberRows.create(m.rows),
    confirmed: m.confirmed ?? false,
    applied: m.applied ?? 0,
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
  'podium.raft.v1.Member',
  (w, m) => {
    if (m.id) {
      w.uint32(9).fixed64(m.id);
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
        case 9: {
          m.id = r.fixed64();
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

export interface MemberRows {
  initial: Member[];
  members: Member[];
}

export const MemberRows: MessageCodec<MemberRows> = codec<MemberRows>(
  'podium.raft.v1.MemberRows',
  (w, m) => {
    if (m.initial !== undefined)
      for (const item of m.initial) {
        const start = w.open(10);
        Member.write(w, item);
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
    const m: MemberRows = { initial: [], members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.initial.push(Member.read(r, to));
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
    initial: (m.initial ?? []).map((item) => Member.create(item)),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export const MemberChange_Kind = {
  ADD: 0,
  REMOVE: 1,
  PROMOTE: 2,
  UPDATE: 3,
  PUBLISH: 4,
} as const;

export interface MemberChange {
  kind: number;
  member: Member | undefined;
  proposal: bigint;
}

export const MemberChange: MessageCodec<MemberChange> = codec<MemberChange>(
  'podium.raft.v1.MemberChange',
  (w, m) => {
    if (m.kind) {
      w.uint32(8).int32(m.kind);
    }
    if (m.member !== undefined) {
      const start = w.open(18);
      Member.write(w, m.member);
      w.close(start);
    }
    if (m.proposal) {
      w.uint32(25).fixed64(m.proposal);
    }
  },
  (r, end) => {
    const m: MemberChange = { kind: 0, member: undefined, proposal: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.kind = r.int32();
          break;
        }
        case 18: {
          const to = r.enter();
          m.member = Member.read(r, to);
          r.leave(to);
          break;
        }
        case 25: {
          m.proposal = r.fixed64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    kind: m.kind ?? 0,
    member: m.member === undefined ? undefined : Member.create(m.member),
    proposal: m.proposal ?? 0n,
  }),
);

export interface MemberChangeResponse {
  member: Member | undefined;
  members: Member[];
}

export const MemberChangeResponse: MessageCodec<MemberChangeResponse> = codec<MemberChangeResponse>(
  'podium.raft.v1.MemberChangeResponse',
  (w, m) => {
    if (m.member !== undefined) {
      const start = w.open(10);
      Member.write(w, m.member);
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
    const m: MemberChangeResponse = { member: undefined, members: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.member = Member.read(r, to);
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
    member: m.member === undefined ? undefined : Member.create(m.member),
    members: (m.members ?? []).map((item) => Member.create(item)),
  }),
);

export interface LeaseRequest {
  lease: bigint;
}

export const LeaseRequest: MessageCodec<LeaseRequest> = codec<LeaseRequest>(
  'podium.raft.v1.LeaseRequest',
  (w, m) => {
    if (m.lease) {
      w.uint32(8).bigInt64(m.lease);
    }
  },
  (r, end) => {
    const m: LeaseRequest = { lease: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.lease = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ lease: m.lease ?? 0n }),
);

export interface LeaseResponse {
  found: boolean;
  ttl: number;
}

export const LeaseResponse: MessageCodec<LeaseResponse> = codec<LeaseResponse>(
  'podium.raft.v1.LeaseResponse',
  (w, m) => {
    if (m.found) {
      w.uint32(8).bool(m.found);
    }
    if (m.ttl) {
      w.uint32(16).int64(m.ttl);
    }
  },
  (r, end) => {
    const m: LeaseResponse = { found: false, ttl: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.found = r.bool();
          break;
        }
        case 16: {
          m.ttl = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ found: m.found ?? false, ttl: m.ttl ?? 0 }),
);

export const EntryKind = {
  NORMAL: 0,
  CONF_CHANGE: 1,
} as const;

export interface Entry {
  term: number;
  index: number;
  kind: number;
  data: Uint8Array;
}

export const Entry: MessageCodec<Entry> = codec<Entry>(
  'podium.raft.v1.Entry',
  (w, m) => {
    if (m.term) {
      w.uint32(8).uint64(m.term);
    }
    if (m.index) {
      w.uint32(16).uint64(m.index);
    }
    if (m.kind) {
      w.uint32(24).int32(m.kind);
    }
    if (m.data !== undefined && m.data.length > 0) {
      w.uint32(34).bytes(m.data);
    }
  },
  (r, end) => {
    const m: Entry = { term: 0, index: 0, kind: 0, data: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.term = r.uint64();
          break;
        }
        case 16: {
          m.index = r.uint64();
          break;
        }
        case 24: {
          m.kind = r.int32();
          break;
        }
        case 34: {
          m.data = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ term: m.term ?? 0, index: m.index ?? 0, kind: m.kind ?? 0, data: m.data ?? EMPTY }),
);

export interface ConfState {
  voters: bigint[];
  votersOutgoing: bigint[];
  learners: bigint[];
  learnersNext: bigint[];
  autoLeave: boolean;
}

export const ConfState: MessageCodec<ConfState> = codec<ConfState>(
  'podium.raft.v1.ConfState',
  (w, m) => {
    if (m.voters !== undefined && m.voters.length > 0) {
      const start = w.open(10);
      for (const item of m.voters) w.fixed64(item);
      w.close(start);
    }
    if (m.votersOutgoing !== undefined && m.votersOutgoing.length > 0) {
      const start = w.open(18);
      for (const item of m.votersOutgoing) w.fixed64(item);
      w.close(start);
    }
    if (m.learners !== undefined && m.learners.length > 0) {
      const start = w.open(26);
      for (const item of m.learners) w.fixed64(item);
      w.close(start);
    }
    if (m.learnersNext !== undefined && m.learnersNext.length > 0) {
      const start = w.open(34);
      for (const item of m.learnersNext) w.fixed64(item);
      w.close(start);
    }
    if (m.autoLeave) {
      w.uint32(40).bool(m.autoLeave);
    }
  },
  (r, end) => {
    const m: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.voters.push(r.fixed64());
          break;
        }
        case 10: {
          const to = r.packed();
          while (r.position < to) m.voters.push(r.fixed64());
          r.endPacked(to);
          break;
        }
        case 17: {
          m.votersOutgoing.push(r.fixed64());
          break;
        }
        case 18: {
          const to = r.packed();
          while (r.position < to) m.votersOutgoing.push(r.fixed64());
          r.endPacked(to);
          break;
        }
        case 25: {
          m.learners.push(r.fixed64());
          break;
        }
        case 26: {
          const to = r.packed();
          while (r.position < to) m.learners.push(r.fixed64());
          r.endPacked(to);
          break;
        }
        case 33: {
          m.learnersNext.push(r.fixed64());
          break;
        }
        case 34: {
          const to = r.packed();
          while (r.position < to) m.learnersNext.push(r.fixed64());
          r.endPacked(to);
          break;
        }
        case 40: {
          m.autoLeave = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    voters: [...(m.voters ?? [])],
    votersOutgoing: [...(m.votersOutgoing ?? [])],
    learners: [...(m.learners ?? [])],
    learnersNext: [...(m.learnersNext ?? [])],
    autoLeave: m.autoLeave ?? false,
  }),
);

export interface SnapshotMeta {
  index: number;
  term: number;
  confState: ConfState | undefined;
}

export const SnapshotMeta: MessageCodec<SnapshotMeta> = codec<SnapshotMeta>(
  'podium.raft.v1.SnapshotMeta',
  (w, m) => {
    if (m.index) {
      w.uint32(8).uint64(m.index);
    }
    if (m.term) {
      w.uint32(16).uint64(m.term);
    }
    if (m.confState !== undefined) {
      const start = w.open(26);
      ConfState.write(w, m.confState);
      w.close(start);
    }
  },
  (r, end) => {
    const m: SnapshotMeta = { index: 0, term: 0, confState: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.index = r.uint64();
          break;
        }
        case 16: {
          m.term = r.uint64();
          break;
        }
        case 26: {
          const to = r.enter();
          m.confState = ConfState.read(r, to);
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
    index: m.index ?? 0,
    term: m.term ?? 0,
    confState: m.confState === undefined ? undefined : ConfState.create(m.confState),
  }),
);

export interface HardState {
  term: number;
  votedFor: bigint;
  commit: number;
}

export const HardState: MessageCodec<HardState> = codec<HardState>(
  'podium.raft.v1.HardState',
  (w, m) => {
    if (m.term) {
      w.uint32(8).uint64(m.term);
    }
    if (m.votedFor) {
      w.uint32(17).fixed64(m.votedFor);
    }
    if (m.commit) {
      w.uint32(24).uint64(m.commit);
    }
  },
  (r, end) => {
    const m: HardState = { term: 0, votedFor: 0n, commit: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.term = r.uint64();
          break;
        }
        case 17: {
          m.votedFor = r.fixed64();
          break;
        }
        case 24: {
          m.commit = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ term: m.term ?? 0, votedFor: m.votedFor ?? 0n, commit: m.commit ?? 0 }),
);

export interface Envelope {
  from: bigint;
  to: bigint;
  term: number;
  message:
    | { case: 'requestVote'; value: RequestVote }
    | { case: 'vote'; value: Vote }
    | { case: 'append'; value: Append }
    | { case: 'appendAnswer'; value: AppendAnswer }
    | { case: 'heartbeat'; value: Heartbeat }
    | { case: 'heartbeatAnswer'; value: HeartbeatAnswer }
    | { case: 'installSnapshot'; value: InstallSnapshot }
    | { case: 'timeoutNow'; value: TimeoutNow }
    | { case: 'propose'; value: Propose }
    | { case: 'readIndex'; value: ReadIndex }
    | { case: 'readIndexAnswer'; value: ReadIndexAnswer }
    | undefined;
}

export const Envelope: MessageCodec<Envelope> = codec<Envelope>(
  'podium.raft.v1.Envelope',
  (w, m) => {
    if (m.from) {
      w.uint32(9).fixed64(m.from);
    }
    if (m.to) {
      w.uint32(17).fixed64(m.to);
    }
    if (m.term) {
      w.uint32(24).uint64(m.term);
    }
    {
      const one = m.message;
      if (one !== undefined)
        switch (one.case) {
          case 'requestVote': {
            const start = w.open(34);
            RequestVote.write(w, one.value);
            w.close(start);
            break;
          }
          case 'vote': {
            const start = w.open(42);
            Vote.write(w, one.value);
            w.close(start);
            break;
          }
          case 'append': {
            const start = w.open(50);
            Append.write(w, one.value);
            w.close(start);
            break;
          }
          case 'appendAnswer': {
            const start = w.open(58);
            AppendAnswer.write(w, one.value);
            w.close(start);
            break;
          }
          case 'heartbeat': {
            const start = w.open(66);
            Heartbeat.write(w, one.value);
            w.close(start);
            break;
          }
          case 'heartbeatAnswer': {
            const start = w.open(74);
            HeartbeatAnswer.write(w, one.value);
            w.close(start);
            break;
          }
          case 'installSnapshot': {
            const start = w.open(82);
            InstallSnapshot.write(w, one.value);
            w.close(start);
            break;
          }
          case 'timeoutNow': {
            const start = w.open(90);
            TimeoutNow.write(w, one.value);
            w.close(start);
            break;
          }
          case 'propose': {
            const start = w.open(98);
            Propose.write(w, one.value);
            w.close(start);
            break;
          }
          case 'readIndex': {
            const start = w.open(106);
            ReadIndex.write(w, one.value);
            w.close(start);
            break;
          }
          case 'readIndexAnswer': {
            const start = w.open(114);
            ReadIndexAnswer.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: Envelope = { from: 0n, to: 0n, term: 0, message: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.from = r.fixed64();
          break;
        }
        case 17: {
          m.to = r.fixed64();
          break;
        }
        case 24: {
          m.term = r.uint64();
          break;
        }
        case 34: {
          const to = r.enter();
          m.message = { case: 'requestVote', value: RequestVote.read(r, to) };
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.message = { case: 'vote', value: Vote.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          m.message = { case: 'append', value: Append.read(r, to) };
          r.leave(to);
          break;
        }
        case 58: {
          const to = r.enter();
          m.message = { case: 'appendAnswer', value: AppendAnswer.read(r, to) };
          r.leave(to);
          break;
        }
        case 66: {
          const to = r.enter();
          m.message = { case: 'heartbeat', value: Heartbeat.read(r, to) };
          r.leave(to);
          break;
        }
        case 74: {
          const to = r.enter();
          m.message = { case: 'heartbeatAnswer', value: HeartbeatAnswer.read(r, to) };
          r.leave(to);
          break;
        }
        case 82: {
          const to = r.enter();
          m.message = { case: 'installSnapshot', value: InstallSnapshot.read(r, to) };
          r.leave(to);
          break;
        }
        case 90: {
          const to = r.enter();
          m.message = { case: 'timeoutNow', value: TimeoutNow.read(r, to) };
          r.leave(to);
          break;
        }
        case 98: {
          const to = r.enter();
          m.message = { case: 'propose', value: Propose.read(r, to) };
          r.leave(to);
          break;
        }
        case 106: {
          const to = r.enter();
          m.message = { case: 'readIndex', value: ReadIndex.read(r, to) };
          r.leave(to);
          break;
        }
        case 114: {
          const to = r.enter();
          m.message = { case: 'readIndexAnswer', value: ReadIndexAnswer.read(r, to) };
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
    from: m.from ?? 0n,
    to: m.to ?? 0n,
    term: m.term ?? 0,
    message: (() => {
      const one = m.message;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'requestVote':
          return { case: one.case, value: RequestVote.create(one.value) };
        case 'vote':
          return { case: one.case, value: Vote.create(one.value) };
        case 'append':
          return { case: one.case, value: Append.create(one.value) };
        case 'appendAnswer':
          return { case: one.case, value: AppendAnswer.create(one.value) };
        case 'heartbeat':
          return { case: one.case, value: Heartbeat.create(one.value) };
        case 'heartbeatAnswer':
          return { case: one.case, value: HeartbeatAnswer.create(one.value) };
        case 'installSnapshot':
          return { case: one.case, value: InstallSnapshot.create(one.value) };
        case 'timeoutNow':
          return { case: one.case, value: TimeoutNow.create(one.value) };
        case 'propose':
          return { case: one.case, value: Propose.create(one.value) };
        case 'readIndex':
          return { case: one.case, value: ReadIndex.create(one.value) };
        case 'readIndexAnswer':
          return { case: one.case, value: ReadIndexAnswer.create(one.value) };
      }
    })(),
  }),
);

export interface RequestVote {
  preVote: boolean;
  lastIndex: number;
  lastTerm: number;
  transfer: boolean;
  commit: number;
  commitTerm: number;
}

export const RequestVote: MessageCodec<RequestVote> = codec<RequestVote>(
  'podium.raft.v1.RequestVote',
  (w, m) => {
    if (m.preVote) {
      w.uint32(8).bool(m.preVote);
    }
    if (m.lastIndex) {
      w.uint32(16).uint64(m.lastIndex);
    }
    if (m.lastTerm) {
      w.uint32(24).uint64(m.lastTerm);
    }
    if (m.transfer) {
      w.uint32(32).bool(m.transfer);
    }
    if (m.commit) {
      w.uint32(40).uint64(m.commit);
    }
    if (m.commitTerm) {
      w.uint32(48).uint64(m.commitTerm);
    }
  },
  (r, end) => {
    const m: RequestVote = { preVote: false, lastIndex: 0, lastTerm: 0, transfer: false, commit: 0, commitTerm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.preVote = r.bool();
          break;
        }
        case 16: {
          m.lastIndex = r.uint64();
          break;
        }
        case 24: {
          m.lastTerm = r.uint64();
          break;
        }
        case 32: {
          m.transfer = r.bool();
          break;
        }
        case 40: {
          m.commit = r.uint64();
          break;
        }
        case 48: {
          m.commitTerm = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    preVote: m.preVote ?? false,
    lastIndex: m.lastIndex ?? 0,
    lastTerm: m.lastTerm ?? 0,
    transfer: m.transfer ?? false,
    commit: m.commit ?? 0,
    commitTerm: m.commitTerm ?? 0,
  }),
);

export interface Vote {
  preVote: boolean;
  granted: boolean;
  commit: number;
  commitTerm: number;
}

export const Vote: MessageCodec<Vote> = codec<Vote>(
  'podium.raft.v1.Vote',
  (w, m) => {
    if (m.preVote) {
      w.uint32(8).bool(m.preVote);
    }
    if (m.granted) {
      w.uint32(16).bool(m.granted);
    }
    if (m.commit) {
      w.uint32(24).uint64(m.commit);
    }
    if (m.commitTerm) {
      w.uint32(32).uint64(m.commitTerm);
    }
  },
  (r, end) => {
    const m: Vote = { preVote: false, granted: false, commit: 0, commitTerm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.preVote = r.bool();
          break;
        }
        case 16: {
          m.granted = r.bool();
          break;
        }
        case 24: {
          m.commit = r.uint64();
          break;
        }
        case 32: {
          m.commitTerm = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    preVote: m.preVote ?? false,
    granted: m.granted ?? false,
    commit: m.commit ?? 0,
    commitTerm: m.commitTerm ?? 0,
  }),
);

export interface Append {
  prevIndex: number;
  prevTerm: number;
  entries: Entry[];
  commit: number;
  unanswered: boolean;
}

export const Append: MessageCodec<Append> = codec<Append>(
  'podium.raft.v1.Append',
  (w, m) => {
    if (m.prevIndex) {
      w.uint32(8).uint64(m.prevIndex);
    }
    if (m.prevTerm) {
      w.uint32(16).uint64(m.prevTerm);
    }
    if (m.entries !== undefined)
      for (const item of m.entries) {
        const start = w.open(26);
        Entry.write(w, item);
        w.close(start);
      }
    if (m.commit) {
      w.uint32(32).uint64(m.commit);
    }
    if (m.unanswered) {
      w.uint32(40).bool(m.unanswered);
    }
  },
  (r, end) => {
    const m: Append = { prevIndex: 0, prevTerm: 0, entries: [], commit: 0, unanswered: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.prevIndex = r.uint64();
          break;
        }
        case 16: {
          m.prevTerm = r.uint64();
          break;
        }
        case 26: {
          const to = r.enter();
          m.entries.push(Entry.read(r, to));
          r.leave(to);
          break;
        }
        case 32: {
          m.commit = r.uint64();
          break;
        }
        case 40: {
          m.unanswered = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    prevIndex: m.prevIndex ?? 0,
    prevTerm: m.prevTerm ?? 0,
    entries: (m.entries ?? []).map((item) => Entry.create(item)),
    commit: m.commit ?? 0,
    unanswered: m.unanswered ?? false,
  }),
);

export interface AppendAnswer {
  accepted: boolean;
  index: number;
  hintIndex: number;
  hintTerm: number;
}

export const AppendAnswer: MessageCodec<AppendAnswer> = codec<AppendAnswer>(
  'podium.raft.v1.AppendAnswer',
  (w, m) => {
    if (m.accepted) {
      w.uint32(8).bool(m.accepted);
    }
    if (m.index) {
      w.uint32(16).uint64(m.index);
    }
    if (m.hintIndex) {
      w.uint32(24).uint64(m.hintIndex);
    }
    if (m.hintTerm) {
      w.uint32(32).uint64(m.hintTerm);
    }
  },
  (r, end) => {
    const m: AppendAnswer = { accepted: false, index: 0, hintIndex: 0, hintTerm: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.accepted = r.bool();
          break;
        }
        case 16: {
          m.index = r.uint64();
          break;
        }
        case 24: {
          m.hintIndex = r.uint64();
          break;
        }
        case 32: {
          m.hintTerm = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    accepted: m.accepted ?? false,
    index: m.index ?? 0,
    hintIndex: m.hintIndex ?? 0,
    hintTerm: m.hintTerm ?? 0,
  }),
);

export interface Heartbeat {
  commit: number;
  round: number;
}

export const Heartbeat: MessageCodec<Heartbeat> = codec<Heartbeat>(
  'podium.raft.v1.Heartbeat',
  (w, m) => {
    if (m.commit) {
      w.uint32(8).uint64(m.commit);
    }
    if (m.round) {
      w.uint32(16).uint64(m.round);
    }
  },
  (r, end) => {
    const m: Heartbeat = { commit: 0, round: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.commit = r.uint64();
          break;
        }
        case 16: {
          m.round = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ commit: m.commit ?? 0, round: m.round ?? 0 }),
);

export interface HeartbeatAnswer {
  round: number;
}

export const HeartbeatAnswer: MessageCodec<HeartbeatAnswer> = codec<HeartbeatAnswer>(
  'podium.raft.v1.HeartbeatAnswer',
  (w, m) => {
    if (m.round) {
      w.uint32(8).uint64(m.round);
    }
  },
  (r, end) => {
    const m: HeartbeatAnswer = { round: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.round = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ round: m.round ?? 0 }),
);

export interface InstallSnapshot {
  snapshot: SnapshotMeta | undefined;
}

export const InstallSnapshot: MessageCodec<InstallSnapshot> = codec<InstallSnapshot>(
  'podium.raft.v1.InstallSnapshot',
  (w, m) => {
    if (m.snapshot !== undefined) {
      const start = w.open(10);
      SnapshotMeta.write(w, m.snapshot);
      w.close(start);
    }
  },
  (r, end) => {
    const m: InstallSnapshot = { snapshot: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.snapshot = SnapshotMeta.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ snapshot: m.snapshot === undefined ? undefined : SnapshotMeta.create(m.snapshot) }),
);

export interface TimeoutNow {}

export const TimeoutNow: MessageCodec<TimeoutNow> = codec<TimeoutNow>(
  'podium.raft.v1.TimeoutNow',
  () => {},
  (r, end) => {
    const m: TimeoutNow = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface Propose {
  data: Uint8Array[];
}

export const Propose: MessageCodec<Propose> = codec<Propose>(
  'podium.raft.v1.Propose',
  (w, m) => {
    if (m.data !== undefined)
      for (const item of m.data) {
        w.uint32(10).bytes(item);
      }
  },
  (r, end) => {
    const m: Propose = { data: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.data.push(r.bytes());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ data: [...(m.data ?? [])] }),
);

export interface ReadIndex {
  request: bigint;
}

export const ReadIndex: MessageCodec<ReadIndex> = codec<ReadIndex>(
  'podium.raft.v1.ReadIndex',
  (w, m) => {
    if (m.request) {
      w.uint32(9).fixed64(m.request);
    }
  },
  (r, end) => {
    const m: ReadIndex = { request: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.request = r.fixed64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ request: m.request ?? 0n }),
);

export interface ReadIndexAnswer {
  request: bigint;
  index: number;
}

export const ReadIndexAnswer: MessageCodec<ReadIndexAnswer> = codec<ReadIndexAnswer>(
  'podium.raft.v1.ReadIndexAnswer',
  (w, m) => {
    if (m.request) {
      w.uint32(9).fixed64(m.request);
    }
    if (m.index) {
      w.uint32(16).uint64(m.index);
    }
  },
  (r, end) => {
    const m: ReadIndexAnswer = { request: 0n, index: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.request = r.fixed64();
          break;
        }
        case 16: {
          m.index = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ request: m.request ?? 0n, index: m.index ?? 0 }),
);

export interface SnapshotChunk {
  id: bigint;
  offset: number;
  checksum: number;
  chunk: { case: 'header'; value: Envelope } | { case: 'data'; value: Uint8Array } | undefined;
}

export const SnapshotChunk: MessageCodec<SnapshotChunk> = codec<SnapshotChunk>(
  'podium.raft.v1.SnapshotChunk',
  (w, m) => {
    if (m.id) {
      w.uint32(25).fixed64(m.id);
    }
    if (m.offset) {
      w.uint32(32).uint64(m.offset);
    }
    if (m.checksum) {
      w.uint32(40).uint32(m.checksum);
    }
    {
      const one = m.chunk;
      if (one !== undefined)
        switch (one.case) {
          case 'header': {
            const start = w.open(10);
            Envelope.write(w, one.value);
            w.close(start);
            break;
          }
          case 'data': {
            w.uint32(18).bytes(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: SnapshotChunk = { id: 0n, offset: 0, checksum: 0, chunk: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.chunk = { case: 'header', value: Envelope.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.chunk = { case: 'data', value: r.bytes() };
          break;
        }
        case 25: {
          m.id = r.fixed64();
          break;
        }
        case 32: {
          m.offset = r.uint64();
          break;
        }
        case 40: {
          m.checksum = r.uint32();
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
    offset: m.offset ?? 0,
    checksum: m.checksum ?? 0,
    chunk: (() => {
      const one = m.chunk;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'header':
          return { case: one.case, value: Envelope.create(one.value) };
        case 'data':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export interface SnapshotProgressRequest {
  from: bigint;
  id: bigint;
}

export const SnapshotProgressRequest: MessageCodec<SnapshotProgressRequest> = codec<SnapshotProgressRequest>(
  'podium.raft.v1.SnapshotProgressRequest',
  (w, m) => {
    if (m.from) {
      w.uint32(9).fixed64(m.from);
    }
    if (m.id) {
      w.uint32(17).fixed64(m.id);
    }
  },
  (r, end) => {
    const m: SnapshotProgressRequest = { from: 0n, id: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 9: {
          m.from = r.fixed64();
          break;
        }
        case 17: {
          m.id = r.fixed64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ from: m.from ?? 0n, id: m.id ?? 0n }),
);

export interface SnapshotProgressResponse {
  offset: number;
  installed: boolean;
}

export const SnapshotProgressResponse: MessageCodec<SnapshotProgressResponse> = codec<SnapshotProgressResponse>(
  'podium.raft.v1.SnapshotProgressResponse',
  (w, m) => {
    if (m.offset) {
      w.uint32(8).uint64(m.offset);
    }
    if (m.installed) {
      w.uint32(16).bool(m.installed);
    }
  },
  (r, end) => {
    const m: SnapshotProgressResponse = { offset: 0, installed: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.offset = r.uint64();
          break;
        }
        case 16: {
          m.installed = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ offset: m.offset ?? 0, installed: m.installed ?? false }),
);

export interface SnapshotResult {
  installed: boolean;
  index: number;
  error: string;
}

export const SnapshotResult: MessageCodec<SnapshotResult> = codec<SnapshotResult>(
  'podium.raft.v1.SnapshotResult',
  (w, m) => {
    if (m.installed) {
      w.uint32(8).bool(m.installed);
    }
    if (m.index) {
      w.uint32(16).uint64(m.index);
    }
    if (m.error) {
      w.uint32(26).string(m.error);
    }
  },
  (r, end) => {
    const m: SnapshotResult = { installed: false, index: 0, error: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.installed = r.bool();
          break;
        }
        case 16: {
          m.index = r.uint64();
          break;
        }
        case 26: {
          m.error = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ installed: m.installed ?? false, index: m.index ?? 0, error: m.error ?? '' }),
);

export const Raft = {
  typeName: 'podium.raft.v1.Raft',
  methods: {
    stream: {
      path: '/podium.raft.v1.Raft/Stream',
      request: Envelope,
      response: Envelope,
      requestStream: true,
      responseStream: true,
    },
    snapshot: {
      path: '/podium.raft.v1.Raft/Snapshot',
      request: SnapshotChunk,
      response: SnapshotResult,
      requestStream: true,
      responseStream: false,
    },
    snapshotProgress: {
      path: '/podium.raft.v1.Raft/SnapshotProgress',
      request: SnapshotProgressRequest,
      response: SnapshotProgressResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;

export const Peer = {
  typeName: 'podium.raft.v1.Peer',
  methods: {
    cluster: {
      path: '/podium.raft.v1.Peer/Cluster',
      request: ClusterRequest,
      response: ClusterResponse,
      requestStream: false,
      responseStream: false,
    },
    changeMember: {
      path: '/podium.raft.v1.Peer/ChangeMember',
      request: MemberChange,
      response: MemberChangeResponse,
      requestStream: false,
      responseStream: false,
    },
    renewLease: {
      path: '/podium.raft.v1.Peer/RenewLease',
      request: LeaseRequest,
      response: LeaseResponse,
      requestStream: false,
      responseStream: false,
    },
    leaseRemaining: {
      path: '/podium.raft.v1.Peer/LeaseRemaining',
      request: LeaseRequest,
      response: LeaseResponse,
      requestStream: false,
      responseStream: false,
    },
    hashKv: {
      path: '/podium.raft.v1.Peer/HashKv',
      request: HashKvRequest,
      response: HashKvResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;
