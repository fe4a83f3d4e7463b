// Written by scripts/generate.ts from proto/podium/node.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';
import { CommandInput, CommandOutput, PortInput, PortOutput } from './streams.ts';

const EMPTY = new Uint8Array(0);

export interface LogsRequest {
  namespace: string;
  pod: string;
  uid: string;
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
  'podium.node.v1.LogsRequest',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.pod) {
      w.uint32(18).string(m.pod);
    }
    if (m.uid) {
      w.uint32(26).string(m.uid);
    }
    if (m.container) {
      w.uint32(34).string(m.container);
    }
    if (m.follow) {
      w.uint32(40).bool(m.follow);
    }
    if (m.previous) {
      w.uint32(48).bool(m.previous);
    }
    if (m.timestamps) {
      w.uint32(56).bool(m.timestamps);
    }
    if (m.tailLines !== undefined) {
      w.uint32(64).int64(m.tailLines);
    }
    if (m.sinceSeconds !== undefined) {
      w.uint32(72).int64(m.sinceSeconds);
    }
    if (m.sinceTime) {
      w.uint32(82).string(m.sinceTime);
    }
    if (m.limitBytes !== undefined) {
      w.uint32(88).int64(m.limitBytes);
    }
  },
  (r, end) => {
    const m: LogsRequest = {
      namespace: '',
      pod: '',
      uid: '',
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
          m.pod = r.string();
          break;
        }
        case 26: {
          m.uid = r.string();
          break;
        }
        case 34: {
          m.container = r.string();
          break;
        }
        case 40: {
          m.follow = r.bool();
          break;
        }
        case 48: {
          m.previous = r.bool();
          break;
        }
        case 56: {
          m.timestamps = r.bool();
          break;
        }
        case 64: {
          m.tailLines = r.int64();
          break;
        }
        case 72: {
          m.sinceSeconds = r.int64();
          break;
        }
        case 82: {
          m.sinceTime = r.string();
          break;
        }
        case 88: {
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
    pod: m.pod ?? '',
    uid: m.uid ?? '',
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
  'podium.node.v1.LogsChunk',
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

export interface ListPodsRequest {}

export const ListPodsRequest: MessageCodec<ListPodsRequest> = codec<ListPodsRequest>(
  'podium.node.v1.ListPodsRequest',
  () => {},
  (r, end) => {
    const m: ListPodsRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface ListPodsResponse {
  pods: PodState[];
}

export const ListPodsResponse: MessageCodec<ListPodsResponse> = codec<ListPodsResponse>(
  'podium.node.v1.ListPodsResponse',
  (w, m) => {
    if (m.pods !== undefined)
      for (const item of m.pods) {
        const start = w.open(10);
        PodState.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListPodsResponse = { pods: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.pods.push(PodState.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ pods: (m.pods ?? []).map((item) => PodState.create(item)) }),
);

export interface PodState {
  namespace: string;
  name: string;
  uid: string;
  phase: string;
  ip: string;
  containers: ContainerState[];
}

export const PodState: MessageCodec<PodState> = codec<PodState>(
  'podium.node.v1.PodState',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.name) {
      w.uint32(18).string(m.name);
    }
    if (m.uid) {
      w.uint32(26).string(m.uid);
    }
    if (m.phase) {
      w.uint32(34).string(m.phase);
    }
    if (m.ip) {
      w.uint32(42).string(m.ip);
    }
    if (m.containers !== undefined)
      for (const item of m.containers) {
        const start = w.open(50);
        ContainerState.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: PodState = { namespace: '', name: '', uid: '', phase: '', ip: '', containers: [] };
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
          m.uid = r.string();
          break;
        }
        case 34: {
          m.phase = r.string();
          break;
        }
        case 42: {
          m.ip = r.string();
          break;
        }
        case 50: {
          const to = r.enter();
          m.containers.push(ContainerState.read(r, to));
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
    namespace: m.namespace ?? '',
    name: m.name ?? '',
    uid: m.uid ?? '',
    phase: m.phase ?? '',
    ip: m.ip ?? '',
    containers: (m.containers ?? []).map((item) => ContainerState.create(item)),
  }),
);

export interface ContainerState {
  name: string;
  state: string;
  pid: number;
  restarts: number;
  exitCode: number | undefined;
  reason: string;
}

export const ContainerState: MessageCodec<ContainerState> = codec<ContainerState>(
  'podium.node.v1.ContainerState',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.state) {
      w.uint32(18).string(m.state);
    }
    if (m.pid) {
      w.uint32(24).int64(m.pid);
    }
    if (m.restarts) {
      w.uint32(32).int32(m.restarts);
    }
    if (m.exitCode !== undefined) {
      w.uint32(40).int32(m.exitCode);
    }
    if (m.reason) {
      w.uint32(50).string(m.reason);
    }
  },
  (r, end) => {
    const m: ContainerState = { name: '', state: '', pid: 0, restarts: 0, exitCode: undefined, reason: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          m.state = r.string();
          break;
        }
        case 24: {
          m.pid = r.int64();
          break;
        }
        case 32: {
          m.restarts = r.int32();
          break;
        }
        case 40: {
          m.exitCode = r.int32();
          break;
        }
        case 50: {
          m.reason = r.string();
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
    state: m.state ?? '',
    pid: m.pid ?? 0,
    restarts: m.restarts ?? 0,
    exitCode: m.exitCode,
    reason: m.reason ?? '',
  }),
);

export interface StatsRequest {}

export const StatsRequest: MessageCodec<StatsRequest> = codec<StatsRequest>(
  'podium.node.v1.StatsRequest',
  () => {},
  (r, end) => {
    const m: StatsRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface StatsResponse {
  node: Usage | undefined;
  pods: PodStats[];
}

export const StatsResponse: MessageCodec<StatsResponse> = codec<StatsResponse>(
  'podium.node.v1.StatsResponse',
  (w, m) => {
    if (m.node !== undefined) {
      const start = w.open(10);
      Usage.write(w, m.node);
      w.close(start);
    }
    if (m.pods !== undefined)
      for (const item of m.pods) {
        const start = w.open(18);
        PodStats.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: StatsResponse = { node: undefined, pods: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.node = Usage.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.pods.push(PodStats.read(r, to));
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
    node: m.node === undefined ? undefined : Usage.create(m.node),
    pods: (m.pods ?? []).map((item) => PodStats.create(item)),
  }),
);

export interface PodStats {
  namespace: string;
  name: string;
  uid: string;
  containers: ContainerStats[];
}

export const PodStats: MessageCodec<PodStats> = codec<PodStats>(
  'podium.node.v1.PodStats',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.name) {
      w.uint32(18).string(m.name);
    }
    if (m.uid) {
      w.uint32(26).string(m.uid);
    }
    if (m.containers !== undefined)
      for (const item of m.containers) {
        const start = w.open(34);
        ContainerStats.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: PodStats = { namespace: '', name: '', uid: '', containers: [] };
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
          m.uid = r.string();
          break;
        }
        case 34: {
          const to = r.enter();
          m.containers.push(ContainerStats.read(r, to));
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
    namespace: m.namespace ?? '',
    name: m.name ?? '',
    uid: m.uid ?? '',
    containers: (m.containers ?? []).map((item) => ContainerStats.create(item)),
  }),
);

export interface ContainerStats {
  name: string;
  usage: Usage | undefined;
}

export const ContainerStats: MessageCodec<ContainerStats> = codec<ContainerStats>(
  'podium.node.v1.ContainerStats',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.usage !== undefined) {
      const start = w.open(18);
      Usage.write(w, m.usage);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ContainerStats = { name: '', usage: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.usage = Usage.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', usage: m.usage === undefined ? undefined : Usage.create(m.usage) }),
);

export interface Usage {
  atMs: number;
  windowMs: number;
  cpuNanoCores: number;
  memoryBytes: number;
}

export const Usage: MessageCodec<Usage> = codec<Usage>(
  'podium.node.v1.Usage',
  (w, m) => {
    if (m.atMs) {
      w.uint32(8).int64(m.atMs);
    }
    if (m.windowMs) {
      w.uint32(16).int64(m.windowMs);
    }
    if (m.cpuNanoCores) {
      w.uint32(24).int64(m.cpuNanoCores);
    }
    if (m.memoryBytes) {
      w.uint32(32).int64(m.memoryBytes);
    }
  },
  (r, end) => {
    const m: Usage = { atMs: 0, windowMs: 0, cpuNanoCores: 0, memoryBytes: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.atMs = r.int64();
          break;
        }
        case 16: {
          m.windowMs = r.int64();
          break;
        }
        case 24: {
          m.cpuNanoCores = r.int64();
          break;
        }
        case 32: {
          m.memoryBytes = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    atMs: m.atMs ?? 0,
    windowMs: m.windowMs ?? 0,
    cpuNanoCores: m.cpuNanoCores ?? 0,
    memoryBytes: m.memoryBytes ?? 0,
  }),
);

export const Node = {
  typeName: 'podium.node.v1.Node',
  methods: {
    logs: {
      path: '/podium.node.v1.Node/Logs',
      request: LogsRequest,
      response: LogsChunk,
      requestStream: false,
      responseStream: true,
    },
    listPods: {
      path: '/podium.node.v1.Node/ListPods',
      request: ListPodsRequest,
      response: ListPodsResponse,
      requestStream: false,
      responseStream: false,
    },
    stats: {
      path: '/podium.node.v1.Node/Stats',
      request: StatsRequest,
      response: StatsResponse,
      requestStream: false,
      responseStream: false,
    },
    exec: {
      path: '/podium.node.v1.Node/Exec',
      request: CommandInput,
      response: CommandOutput,
      requestStream: true,
      responseStream: true,
    },
    attach: {
      path: '/podium.node.v1.Node/Attach',
      request: CommandInput,
      response: CommandOutput,
      requestStream: true,
      responseStream: true,
    },
    portForward: {
      path: '/podium.node.v1.Node/PortForward',
      request: PortInput,
      response: PortOutput,
      requestStream: true,
      responseStream: true,
    },
  },
} as const;
