// Written by scripts/generate.ts from proto/cri/events.proto, proto/cri/runtime.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

const EMPTY = new Uint8Array(0);

export interface SubscribeRequest {
  filters: string[];
}

export const SubscribeRequest: MessageCodec<SubscribeRequest> = codec<SubscribeRequest>(
  'containerd.services.events.v1.SubscribeRequest',
  (w, m) => {
    if (m.filters !== undefined)
      for (const item of m.filters) {
        w.uint32(10).string(item);
      }
  },
  (r, end) => {
    const m: SubscribeRequest = { filters: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.filters.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ filters: [...(m.filters ?? [])] }),
);

export interface Envelope {
  namespace: string;
  topic: string;
}

export const Envelope: MessageCodec<Envelope> = codec<Envelope>(
  'containerd.services.events.v1.Envelope',
  (w, m) => {
    if (m.namespace) {
      w.uint32(18).string(m.namespace);
    }
    if (m.topic) {
      w.uint32(26).string(m.topic);
    }
  },
  (r, end) => {
    const m: Envelope = { namespace: '', topic: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 18: {
          m.namespace = r.string();
          break;
        }
        case 26: {
          m.topic = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ namespace: m.namespace ?? '', topic: m.topic ?? '' }),
);

export interface VersionRequest {
  version: string;
}

export const VersionRequest: MessageCodec<VersionRequest> = codec<VersionRequest>(
  'runtime.v1.VersionRequest',
  (w, m) => {
    if (m.version) {
      w.uint32(10).string(m.version);
    }
  },
  (r, end) => {
    const m: VersionRequest = { version: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.version = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ version: m.version ?? '' }),
);

export interface VersionResponse {
  version: string;
  runtimeName: string;
  runtimeVersion: string;
  runtimeApiVersion: string;
}

export const VersionResponse: MessageCodec<VersionResponse> = codec<VersionResponse>(
  'runtime.v1.VersionResponse',
  (w, m) => {
    if (m.version) {
      w.uint32(10).string(m.version);
    }
    if (m.runtimeName) {
      w.uint32(18).string(m.runtimeName);
    }
    if (m.runtimeVersion) {
      w.uint32(26).string(m.runtimeVersion);
    }
    if (m.runtimeApiVersion) {
      w.uint32(34).string(m.runtimeApiVersion);
    }
  },
  (r, end) => {
    const m: VersionResponse = { version: '', runtimeName: '', runtimeVersion: '', runtimeApiVersion: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.version = r.string();
          break;
        }
        case 18: {
          m.runtimeName = r.string();
          break;
        }
        case 26: {
          m.runtimeVersion = r.string();
          break;
        }
        case 34: {
          m.runtimeApiVersion = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    version: m.version ?? '',
    runtimeName: m.runtimeName ?? '',
    runtimeVersion: m.runtimeVersion ?? '',
    runtimeApiVersion: m.runtimeApiVersion ?? '',
  }),
);

export interface StatusRequest {
  verbose: boolean;
}

export const StatusRequest: MessageCodec<StatusRequest> = codec<StatusRequest>(
  'runtime.v1.StatusRequest',
  (w, m) => {
    if (m.verbose) {
      w.uint32(8).bool(m.verbose);
    }
  },
  (r, end) => {
    const m: StatusRequest = { verbose: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.verbose = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ verbose: m.verbose ?? false }),
);

export interface StatusResponse {
  status: RuntimeStatus | undefined;
  info: Map<string, string>;
}

export const StatusResponse: MessageCodec<StatusResponse> = codec<StatusResponse>(
  'runtime.v1.StatusResponse',
  (w, m) => {
    if (m.status !== undefined) {
      const start = w.open(10);
      RuntimeStatus.write(w, m.status);
      w.close(start);
    }
    if (m.info !== undefined)
      for (const [key, item] of m.info) {
        const entry = w.open(18);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: StatusResponse = { status: undefined, info: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.status = RuntimeStatus.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.info.set(key, item);
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
    status: m.status === undefined ? undefined : RuntimeStatus.create(m.status),
    info: new Map([...(m.info ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface RuntimeStatus {
  conditions: RuntimeCondition[];
}

export const RuntimeStatus: MessageCodec<RuntimeStatus> = codec<RuntimeStatus>(
  'runtime.v1.RuntimeStatus',
  (w, m) => {
    if (m.conditions !== undefined)
      for (const item of m.conditions) {
        const start = w.open(10);
        RuntimeCondition.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: RuntimeStatus = { conditions: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.conditions.push(RuntimeCondition.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ conditions: (m.conditions ?? []).map((item) => RuntimeCondition.create(item)) }),
);

export interface RuntimeCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

export const RuntimeCondition: MessageCodec<RuntimeCondition> = codec<RuntimeCondition>(
  'runtime.v1.RuntimeCondition',
  (w, m) => {
    if (m.type) {
      w.uint32(10).string(m.type);
    }
    if (m.status) {
      w.uint32(16).bool(m.status);
    }
    if (m.reason) {
      w.uint32(26).string(m.reason);
    }
    if (m.message) {
      w.uint32(34).string(m.message);
    }
  },
  (r, end) => {
    const m: RuntimeCondition = { type: '', status: false, reason: '', message: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.type = r.string();
          break;
        }
        case 16: {
          m.status = r.bool();
          break;
        }
        case 26: {
          m.reason = r.string();
          break;
        }
        case 34: {
          m.message = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ type: m.type ?? '', status: m.status ?? false, reason: m.reason ?? '', message: m.message ?? '' }),
);

export interface RuntimeConfigRequest {}

export const RuntimeConfigRequest: MessageCodec<RuntimeConfigRequest> = codec<RuntimeConfigRequest>(
  'runtime.v1.RuntimeConfigRequest',
  () => {},
  (r, end) => {
    const m: RuntimeConfigRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface RuntimeConfigResponse {
  linux: LinuxRuntimeConfiguration | undefined;
}

export const RuntimeConfigResponse: MessageCodec<RuntimeConfigResponse> = codec<RuntimeConfigResponse>(
  'runtime.v1.RuntimeConfigResponse',
  (w, m) => {
    if (m.linux !== undefined) {
      const start = w.open(10);
      LinuxRuntimeConfiguration.write(w, m.linux);
      w.close(start);
    }
  },
  (r, end) => {
    const m: RuntimeConfigResponse = { linux: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.linux = LinuxRuntimeConfiguration.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ linux: m.linux === undefined ? undefined : LinuxRuntimeConfiguration.create(m.linux) }),
);

export interface LinuxRuntimeConfiguration {
  cgroupDriver: number;
}

export const LinuxRuntimeConfiguration: MessageCodec<LinuxRuntimeConfiguration> = codec<LinuxRuntimeConfiguration>(
  'runtime.v1.LinuxRuntimeConfiguration',
  (w, m) => {
    if (m.cgroupDriver) {
      w.uint32(8).int32(m.cgroupDriver);
    }
  },
  (r, end) => {
    const m: LinuxRuntimeConfiguration = { cgroupDriver: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.cgroupDriver = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ cgroupDriver: m.cgroupDriver ?? 0 }),
);

export const CgroupDriver = {
  SYSTEMD: 0,
  CGROUPFS: 1,
} as const;

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}

export const PodSandboxMetadata: MessageCodec<PodSandboxMetadata> = codec<PodSandboxMetadata>(
  'runtime.v1.PodSandboxMetadata',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.uid) {
      w.uint32(18).string(m.uid);
    }
    if (m.namespace) {
      w.uint32(26).string(m.namespace);
    }
    if (m.attempt) {
      w.uint32(32).uint32(m.attempt);
    }
  },
  (r, end) => {
    const m: PodSandboxMetadata = { name: '', uid: '', namespace: '', attempt: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 18: {
          m.uid = r.string();
          break;
        }
        case 26: {
          m.namespace = r.string();
          break;
        }
        case 32: {
          m.attempt = r.uint32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', uid: m.uid ?? '', namespace: m.namespace ?? '', attempt: m.attempt ?? 0 }),
);

export interface DnsConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

export const DnsConfig: MessageCodec<DnsConfig> = codec<DnsConfig>(
  'runtime.v1.DnsConfig',
  (w, m) => {
    if (m.servers !== undefined)
      for (const item of m.servers) {
        w.uint32(10).string(item);
      }
    if (m.searches !== undefined)
      for (const item of m.searches) {
        w.uint32(18).string(item);
      }
    if (m.options !== undefined)
      for (const item of m.options) {
        w.uint32(26).string(item);
      }
  },
  (r, end) => {
    const m: DnsConfig = { servers: [], searches: [], options: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.servers.push(r.string());
          break;
        }
        case 18: {
          m.searches.push(r.string());
          break;
        }
        case 26: {
          m.options.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ servers: [...(m.servers ?? [])], searches: [...(m.searches ?? [])], options: [...(m.options ?? [])] }),
);

export const Protocol = {
  TCP: 0,
  UDP: 1,
  SCTP: 2,
} as const;

export interface PortMapping {
  protocol: number;
  containerPort: number;
  hostPort: number;
  hostIp: string;
}

export const PortMapping: MessageCodec<PortMapping> = codec<PortMapping>(
  'runtime.v1.PortMapping',
  (w, m) => {
    if (m.protocol) {
      w.uint32(8).int32(m.protocol);
    }
    if (m.containerPort) {
      w.uint32(16).int32(m.containerPort);
    }
    if (m.hostPort) {
      w.uint32(24).int32(m.hostPort);
    }
    if (m.hostIp) {
      w.uint32(34).string(m.hostIp);
    }
  },
  (r, end) => {
    const m: PortMapping = { protocol: 0, containerPort: 0, hostPort: 0, hostIp: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.protocol = r.int32();
          break;
        }
        case 16: {
          m.containerPort = r.int32();
          break;
        }
        case 24: {
          m.hostPort = r.int32();
          break;
        }
        case 34: {
          m.hostIp = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    protocol: m.protocol ?? 0,
    containerPort: m.containerPort ?? 0,
    hostPort: m.hostPort ?? 0,
    hostIp: m.hostIp ?? '',
  }),
);

export const NamespaceMode = {
  POD: 0,
  CONTAINER: 1,
  NODE: 2,
  TARGET: 3,
} as const;

export interface NamespaceOption {
  network: number;
  pid: number;
  ipc: number;
  targetId: string;
}

export const NamespaceOption: MessageCodec<NamespaceOption> = codec<NamespaceOption>(
  'runtime.v1.NamespaceOption',
  (w, m) => {
    if (m.network) {
      w.uint32(8).int32(m.network);
    }
    if (m.pid) {
      w.uint32(16).int32(m.pid);
    }
    if (m.ipc) {
      w.uint32(24).int32(m.ipc);
    }
    if (m.targetId) {
      w.uint32(34).string(m.targetId);
    }
  },
  (r, end) => {
    const m: NamespaceOption = { network: 0, pid: 0, ipc: 0, targetId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.network = r.int32();
          break;
        }
        case 16: {
          m.pid = r.int32();
          break;
        }
        case 24: {
          m.ipc = r.int32();
          break;
        }
        case 34: {
          m.targetId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ network: m.network ?? 0, pid: m.pid ?? 0, ipc: m.ipc ?? 0, targetId: m.targetId ?? '' }),
);

export interface Int64Value {
  value: bigint;
}

export const Int64Value: MessageCodec<Int64Value> = codec<Int64Value>(
  'runtime.v1.Int64Value',
  (w, m) => {
    if (m.value) {
      w.uint32(8).bigInt64(m.value);
    }
  },
  (r, end) => {
    const m: Int64Value = { value: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.value = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ value: m.value ?? 0n }),
);

export const ProfileType = {
  RUNTIME_DEFAULT: 0,
  UNCONFINED: 1,
  LOCALHOST: 2,
} as const;

export interface SecurityProfile {
  profileType: number;
  localhostRef: string;
}

export const SecurityProfile: MessageCodec<SecurityProfile> = codec<SecurityProfile>(
  'runtime.v1.SecurityProfile',
  (w, m) => {
    if (m.profileType) {
      w.uint32(8).int32(m.profileType);
    }
    if (m.localhostRef) {
      w.uint32(18).string(m.localhostRef);
    }
  },
  (r, end) => {
    const m: SecurityProfile = { profileType: 0, localhostRef: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.profileType = r.int32();
          break;
        }
        case 18: {
          m.localhostRef = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ profileType: m.profileType ?? 0, localhostRef: m.localhostRef ?? '' }),
);

export const SupplementalGroupsPolicy = {
  MERGE: 0,
  STRICT: 1,
} as const;

export interface LinuxSandboxSecurityContext {
  namespaceOptions: NamespaceOption | undefined;
  runAsUser: Int64Value | undefined;
  readonlyRootfs: boolean;
  supplementalGroups: number[];
  privileged: boolean;
  runAsGroup: Int64Value | undefined;
  seccomp: SecurityProfile | undefined;
  apparmor: SecurityProfile | undefined;
}

export const LinuxSandboxSecurityContext: MessageCodec<LinuxSandboxSecurityContext> =
  codec<LinuxSandboxSecurityContext>(
    'runtime.v1.LinuxSandboxSecurityContext',
    (w, m) => {
      if (m.namespaceOptions !== undefined) {
        const start = w.open(10);
        NamespaceOption.write(w, m.namespaceOptions);
        w.close(start);
      }
      if (m.runAsUser !== undefined) {
        const start = w.open(26);
        Int64Value.write(w, m.runAsUser);
        w.close(start);
      }
      if (m.readonlyRootfs) {
        w.uint32(32).bool(m.readonlyRootfs);
      }
      if (m.supplementalGroups !== undefined && m.supplementalGroups.length > 0) {
        const start = w.open(42);
        for (const item of m.supplementalGroups) w.int64(item);
        w.close(start);
      }
      if (m.privileged) {
        w.uint32(48).bool(m.privileged);
      }
      if (m.runAsGroup !== undefined) {
        const start = w.open(66);
        Int64Value.write(w, m.runAsGroup);
        w.close(start);
      }
      if (m.seccomp !== undefined) {
        const start = w.open(74);
        SecurityProfile.write(w, m.seccomp);
        w.close(start);
      }
      if (m.apparmor !== undefined) {
        const start = w.open(82);
        SecurityProfile.write(w, m.apparmor);
        w.close(start);
      }
    },
    (r, end) => {
      const m: LinuxSandboxSecurityContext = {
        namespaceOptions: undefined,
        runAsUser: undefined,
        readonlyRootfs: false,
        supplementalGroups: [],
        privileged: false,
        runAsGroup: undefined,
        seccomp: undefined,
        apparmor: undefined,
      };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            const to = r.enter();
            m.namespaceOptions = NamespaceOption.read(r, to);
            r.leave(to);
            break;
          }
          case 26: {
            const to = r.enter();
            m.runAsUser = Int64Value.read(r, to);
            r.leave(to);
            break;
          }
          case 32: {
            m.readonlyRootfs = r.bool();
            break;
          }
          case 40: {
            m.supplementalGroups.push(r.int64());
            break;
          }
          case 42: {
            const to = r.packed();
            while (r.position < to) m.supplementalGroups.push(r.int64());
            r.endPacked(to);
            break;
          }
          case 48: {
            m.privileged = r.bool();
            break;
          }
          case 66: {
            const to = r.enter();
            m.runAsGroup = Int64Value.read(r, to);
            r.leave(to);
            break;
          }
          case 74: {
            const to = r.enter();
            m.seccomp = SecurityProfile.read(r, to);
            r.leave(to);
            break;
          }
          case 82: {
            const to = r.enter();
            m.apparmor = SecurityProfile.read(r, to);
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
      namespaceOptions: m.namespaceOptions === undefined ? undefined : NamespaceOption.create(m.namespaceOptions),
      runAsUser: m.runAsUser === undefined ? undefined : Int64Value.create(m.runAsUser),
      readonlyRootfs: m.readonlyRootfs ?? false,
      supplementalGroups: [...(m.supplementalGroups ?? [])],
      privileged: m.privileged ?? false,
      runAsGroup: m.runAsGroup === undefined ? undefined : Int64Value.create(m.runAsGroup),
      seccomp: m.seccomp === undefined ? undefined : SecurityProfile.create(m.seccomp),
      apparmor: m.apparmor === undefined ? undefined : SecurityProfile.create(m.apparmor),
    }),
  );

export interface LinuxPodSandboxConfig {
  cgroupParent: string;
  securityContext: LinuxSandboxSecurityContext | undefined;
  sysctls: Map<string, string>;
  overhead: LinuxContainerResources | undefined;
  resources: LinuxContainerResources | undefined;
}

export const LinuxPodSandboxConfig: MessageCodec<LinuxPodSandboxConfig> = codec<LinuxPodSandboxConfig>(
  'runtime.v1.LinuxPodSandboxConfig',
  (w, m) => {
    if (m.cgroupParent) {
      w.uint32(10).string(m.cgroupParent);
    }
    if (m.securityContext !== undefined) {
      const start = w.open(18);
      LinuxSandboxSecurityContext.write(w, m.securityContext);
      w.close(start);
    }
    if (m.sysctls !== undefined)
      for (const [key, item] of m.sysctls) {
        const entry = w.open(26);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.overhead !== undefined) {
      const start = w.open(34);
      LinuxContainerResources.write(w, m.overhead);
      w.close(start);
    }
    if (m.resources !== undefined) {
      const start = w.open(42);
      LinuxContainerResources.write(w, m.resources);
      w.close(start);
    }
  },
  (r, end) => {
    const m: LinuxPodSandboxConfig = {
      cgroupParent: '',
      securityContext: undefined,
      sysctls: new Map(),
      overhead: undefined,
      resources: undefined,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.cgroupParent = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.securityContext = LinuxSandboxSecurityContext.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.sysctls.set(key, item);
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.overhead = LinuxContainerResources.read(r, to);
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.resources = LinuxContainerResources.read(r, to);
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
    cgroupParent: m.cgroupParent ?? '',
    securityContext:
      m.securityContext === undefined ? undefined : LinuxSandboxSecurityContext.create(m.securityContext),
    sysctls: new Map([...(m.sysctls ?? [])].map(([key, item]) => [key, item])),
    overhead: m.overhead === undefined ? undefined : LinuxContainerResources.create(m.overhead),
    resources: m.resources === undefined ? undefined : LinuxContainerResources.create(m.resources),
  }),
);

export interface PodSandboxConfig {
  metadata: PodSandboxMetadata | undefined;
  hostname: string;
  logDirectory: string;
  dnsConfig: DnsConfig | undefined;
  portMappings: PortMapping[];
  labels: Map<string, string>;
  annotations: Map<string, string>;
  linux: LinuxPodSandboxConfig | undefined;
}

export const PodSandboxConfig: MessageCodec<PodSandboxConfig> = codec<PodSandboxConfig>(
  'runtime.v1.PodSandboxConfig',
  (w, m) => {
    if (m.metadata !== undefined) {
      const start = w.open(10);
      PodSandboxMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.hostname) {
      w.uint32(18).string(m.hostname);
    }
    if (m.logDirectory) {
      w.uint32(26).string(m.logDirectory);
    }
    if (m.dnsConfig !== undefined) {
      const start = w.open(34);
      DnsConfig.write(w, m.dnsConfig);
      w.close(start);
    }
    if (m.portMappings !== undefined)
      for (const item of m.portMappings) {
        const start = w.open(42);
        PortMapping.write(w, item);
        w.close(start);
      }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(50);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(58);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.linux !== undefined) {
      const start = w.open(66);
      LinuxPodSandboxConfig.write(w, m.linux);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PodSandboxConfig = {
      metadata: undefined,
      hostname: '',
      logDirectory: '',
      dnsConfig: undefined,
      portMappings: [],
      labels: new Map(),
      annotations: new Map(),
      linux: undefined,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.metadata = PodSandboxMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.hostname = r.string();
          break;
        }
        case 26: {
          m.logDirectory = r.string();
          break;
        }
        case 34: {
          const to = r.enter();
          m.dnsConfig = DnsConfig.read(r, to);
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.portMappings.push(PortMapping.read(r, to));
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
          r.leave(to);
          break;
        }
        case 58: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
          r.leave(to);
          break;
        }
        case 66: {
          const to = r.enter();
          m.linux = LinuxPodSandboxConfig.read(r, to);
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
    metadata: m.metadata === undefined ? undefined : PodSandboxMetadata.create(m.metadata),
    hostname: m.hostname ?? '',
    logDirectory: m.logDirectory ?? '',
    dnsConfig: m.dnsConfig === undefined ? undefined : DnsConfig.create(m.dnsConfig),
    portMappings: (m.portMappings ?? []).map((item) => PortMapping.create(item)),
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
    linux: m.linux === undefined ? undefined : LinuxPodSandboxConfig.create(m.linux),
  }),
);

export interface RunPodSandboxRequest {
  config: PodSandboxConfig | undefined;
  runtimeHandler: string;
}

export const RunPodSandboxRequest: MessageCodec<RunPodSandboxRequest> = codec<RunPodSandboxRequest>(
  'runtime.v1.RunPodSandboxRequest',
  (w, m) => {
    if (m.config !== undefined) {
      const start = w.open(10);
      PodSandboxConfig.write(w, m.config);
      w.close(start);
    }
    if (m.runtimeHandler) {
      w.uint32(18).string(m.runtimeHandler);
    }
  },
  (r, end) => {
    const m: RunPodSandboxRequest = { config: undefined, runtimeHandler: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.config = PodSandboxConfig.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          m.runtimeHandler = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    config: m.config === undefined ? undefined : PodSandboxConfig.create(m.config),
    runtimeHandler: m.runtimeHandler ?? '',
  }),
);

export interface RunPodSandboxResponse {
  podSandboxId: string;
}

export const RunPodSandboxResponse: MessageCodec<RunPodSandboxResponse> = codec<RunPodSandboxResponse>(
  'runtime.v1.RunPodSandboxResponse',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
  },
  (r, end) => {
    const m: RunPodSandboxResponse = { podSandboxId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ podSandboxId: m.podSandboxId ?? '' }),
);

export interface StopPodSandboxRequest {
  podSandboxId: string;
}

export const StopPodSandboxRequest: MessageCodec<StopPodSandboxRequest> = codec<StopPodSandboxRequest>(
  'runtime.v1.StopPodSandboxRequest',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
  },
  (r, end) => {
    const m: StopPodSandboxRequest = { podSandboxId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ podSandboxId: m.podSandboxId ?? '' }),
);

export interface StopPodSandboxResponse {}

export const StopPodSandboxResponse: MessageCodec<StopPodSandboxResponse> = codec<StopPodSandboxResponse>(
  'runtime.v1.StopPodSandboxResponse',
  () => {},
  (r, end) => {
    const m: StopPodSandboxResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface RemovePodSandboxRequest {
  podSandboxId: string;
}

export const RemovePodSandboxRequest: MessageCodec<RemovePodSandboxRequest> = codec<RemovePodSandboxRequest>(
  'runtime.v1.RemovePodSandboxRequest',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
  },
  (r, end) => {
    const m: RemovePodSandboxRequest = { podSandboxId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ podSandboxId: m.podSandboxId ?? '' }),
);

export interface RemovePodSandboxResponse {}

export const RemovePodSandboxResponse: MessageCodec<RemovePodSandboxResponse> = codec<RemovePodSandboxResponse>(
  'runtime.v1.RemovePodSandboxResponse',
  () => {},
  (r, end) => {
    const m: RemovePodSandboxResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface PodSandboxStatusRequest {
  podSandboxId: string;
  verbose: boolean;
}

export const PodSandboxStatusRequest: MessageCodec<PodSandboxStatusRequest> = codec<PodSandboxStatusRequest>(
  'runtime.v1.PodSandboxStatusRequest',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
    if (m.verbose) {
      w.uint32(16).bool(m.verbose);
    }
  },
  (r, end) => {
    const m: PodSandboxStatusRequest = { podSandboxId: '', verbose: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        case 16: {
          m.verbose = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ podSandboxId: m.podSandboxId ?? '', verbose: m.verbose ?? false }),
);

export interface PodSandboxStatusResponse {
  status: PodSandboxStatus | undefined;
}

export const PodSandboxStatusResponse: MessageCodec<PodSandboxStatusResponse> = codec<PodSandboxStatusResponse>(
  'runtime.v1.PodSandboxStatusResponse',
  (w, m) => {
    if (m.status !== undefined) {
      const start = w.open(10);
      PodSandboxStatus.write(w, m.status);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PodSandboxStatusResponse = { status: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.status = PodSandboxStatus.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ status: m.status === undefined ? undefined : PodSandboxStatus.create(m.status) }),
);

export interface PodSandboxNetworkStatus {
  ip: string;
}

export const PodSandboxNetworkStatus: MessageCodec<PodSandboxNetworkStatus> = codec<PodSandboxNetworkStatus>(
  'runtime.v1.PodSandboxNetworkStatus',
  (w, m) => {
    if (m.ip) {
      w.uint32(10).string(m.ip);
    }
  },
  (r, end) => {
    const m: PodSandboxNetworkStatus = { ip: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.ip = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ ip: m.ip ?? '' }),
);

export const PodSandboxState = {
  SANDBOX_READY: 0,
  SANDBOX_NOTREADY: 1,
} as const;

export interface PodSandboxStatus {
  id: string;
  metadata: PodSandboxMetadata | undefined;
  state: number;
  createdAt: bigint;
  network: PodSandboxNetworkStatus | undefined;
}

export const PodSandboxStatus: MessageCodec<PodSandboxStatus> = codec<PodSandboxStatus>(
  'runtime.v1.PodSandboxStatus',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.metadata !== undefined) {
      const start = w.open(18);
      PodSandboxMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.state) {
      w.uint32(24).int32(m.state);
    }
    if (m.createdAt) {
      w.uint32(32).bigInt64(m.createdAt);
    }
    if (m.network !== undefined) {
      const start = w.open(42);
      PodSandboxNetworkStatus.write(w, m.network);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PodSandboxStatus = { id: '', metadata: undefined, state: 0, createdAt: 0n, network: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.metadata = PodSandboxMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 24: {
          m.state = r.int32();
          break;
        }
        case 32: {
          m.createdAt = r.bigInt64();
          break;
        }
        case 42: {
          const to = r.enter();
          m.network = PodSandboxNetworkStatus.read(r, to);
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
    id: m.id ?? '',
    metadata: m.metadata === undefined ? undefined : PodSandboxMetadata.create(m.metadata),
    state: m.state ?? 0,
    createdAt: m.createdAt ?? 0n,
    network: m.network === undefined ? undefined : PodSandboxNetworkStatus.create(m.network),
  }),
);

export interface PodSandboxFilter {
  id: string;
  labelSelector: Map<string, string>;
}

export const PodSandboxFilter: MessageCodec<PodSandboxFilter> = codec<PodSandboxFilter>(
  'runtime.v1.PodSandboxFilter',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.labelSelector !== undefined)
      for (const [key, item] of m.labelSelector) {
        const entry = w.open(26);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: PodSandboxFilter = { id: '', labelSelector: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labelSelector.set(key, item);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ id: m.id ?? '', labelSelector: new Map([...(m.labelSelector ?? [])].map(([key, item]) => [key, item])) }),
);

export interface ListPodSandboxRequest {
  filter: PodSandboxFilter | undefined;
}

export const ListPodSandboxRequest: MessageCodec<ListPodSandboxRequest> = codec<ListPodSandboxRequest>(
  'runtime.v1.ListPodSandboxRequest',
  (w, m) => {
    if (m.filter !== undefined) {
      const start = w.open(10);
      PodSandboxFilter.write(w, m.filter);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ListPodSandboxRequest = { filter: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.filter = PodSandboxFilter.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ filter: m.filter === undefined ? undefined : PodSandboxFilter.create(m.filter) }),
);

export interface PodSandbox {
  id: string;
  metadata: PodSandboxMetadata | undefined;
  state: number;
  createdAt: bigint;
  labels: Map<string, string>;
  annotations: Map<string, string>;
}

export const PodSandbox: MessageCodec<PodSandbox> = codec<PodSandbox>(
  'runtime.v1.PodSandbox',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.metadata !== undefined) {
      const start = w.open(18);
      PodSandboxMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.state) {
      w.uint32(24).int32(m.state);
    }
    if (m.createdAt) {
      w.uint32(32).bigInt64(m.createdAt);
    }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(42);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(50);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: PodSandbox = {
      id: '',
      metadata: undefined,
      state: 0,
      createdAt: 0n,
      labels: new Map(),
      annotations: new Map(),
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.metadata = PodSandboxMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 24: {
          m.state = r.int32();
          break;
        }
        case 32: {
          m.createdAt = r.bigInt64();
          break;
        }
        case 42: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
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
    id: m.id ?? '',
    metadata: m.metadata === undefined ? undefined : PodSandboxMetadata.create(m.metadata),
    state: m.state ?? 0,
    createdAt: m.createdAt ?? 0n,
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface ListPodSandboxResponse {
  items: PodSandbox[];
}

export const ListPodSandboxResponse: MessageCodec<ListPodSandboxResponse> = codec<ListPodSandboxResponse>(
  'runtime.v1.ListPodSandboxResponse',
  (w, m) => {
    if (m.items !== undefined)
      for (const item of m.items) {
        const start = w.open(10);
        PodSandbox.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListPodSandboxResponse = { items: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.items.push(PodSandbox.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ items: (m.items ?? []).map((item) => PodSandbox.create(item)) }),
);

export interface ContainerMetadata {
  name: string;
  attempt: number;
}

export const ContainerMetadata: MessageCodec<ContainerMetadata> = codec<ContainerMetadata>(
  'runtime.v1.ContainerMetadata',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.attempt) {
      w.uint32(16).uint32(m.attempt);
    }
  },
  (r, end) => {
    const m: ContainerMetadata = { name: '', attempt: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 16: {
          m.attempt = r.uint32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', attempt: m.attempt ?? 0 }),
);

export interface ImageSpec {
  image: string;
  annotations: Map<string, string>;
  userSpecifiedImage: string;
}

export const ImageSpec: MessageCodec<ImageSpec> = codec<ImageSpec>(
  'runtime.v1.ImageSpec',
  (w, m) => {
    if (m.image) {
      w.uint32(10).string(m.image);
    }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(18);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.userSpecifiedImage) {
      w.uint32(146).string(m.userSpecifiedImage);
    }
  },
  (r, end) => {
    const m: ImageSpec = { image: '', annotations: new Map(), userSpecifiedImage: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.image = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
          r.leave(to);
          break;
        }
        case 146: {
          m.userSpecifiedImage = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    image: m.image ?? '',
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
    userSpecifiedImage: m.userSpecifiedImage ?? '',
  }),
);

export interface KeyValue {
  key: string;
  value: string;
}

export const KeyValue: MessageCodec<KeyValue> = codec<KeyValue>(
  'runtime.v1.KeyValue',
  (w, m) => {
    if (m.key) {
      w.uint32(10).string(m.key);
    }
    if (m.value) {
      w.uint32(18).string(m.value);
    }
  },
  (r, end) => {
    const m: KeyValue = { key: '', value: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.key = r.string();
          break;
        }
        case 18: {
          m.value = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ key: m.key ?? '', value: m.value ?? '' }),
);

export const MountPropagation = {
  PROPAGATION_PRIVATE: 0,
  PROPAGATION_HOST_TO_CONTAINER: 1,
  PROPAGATION_BIDIRECTIONAL: 2,
} as const;

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  selinuxRelabel: boolean;
  propagation: number;
}

export const Mount: MessageCodec<Mount> = codec<Mount>(
  'runtime.v1.Mount',
  (w, m) => {
    if (m.containerPath) {
      w.uint32(10).string(m.containerPath);
    }
    if (m.hostPath) {
      w.uint32(18).string(m.hostPath);
    }
    if (m.readonly) {
      w.uint32(24).bool(m.readonly);
    }
    if (m.selinuxRelabel) {
      w.uint32(32).bool(m.selinuxRelabel);
    }
    if (m.propagation) {
      w.uint32(40).int32(m.propagation);
    }
  },
  (r, end) => {
    const m: Mount = { containerPath: '', hostPath: '', readonly: false, selinuxRelabel: false, propagation: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerPath = r.string();
          break;
        }
        case 18: {
          m.hostPath = r.string();
          break;
        }
        case 24: {
          m.readonly = r.bool();
          break;
        }
        case 32: {
          m.selinuxRelabel = r.bool();
          break;
        }
        case 40: {
          m.propagation = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    containerPath: m.containerPath ?? '',
    hostPath: m.hostPath ?? '',
    readonly: m.readonly ?? false,
    selinuxRelabel: m.selinuxRelabel ?? false,
    propagation: m.propagation ?? 0,
  }),
);

export interface LinuxContainerResources {
  cpuPeriod: number;
  cpuQuota: number;
  cpuShares: number;
  memoryLimitInBytes: number;
  oomScoreAdj: number;
  unified: Map<string, string>;
}

export const LinuxContainerResources: MessageCodec<LinuxContainerResources> = codec<LinuxContainerResources>(
  'runtime.v1.LinuxContainerResources',
  (w, m) => {
    if (m.cpuPeriod) {
      w.uint32(8).int64(m.cpuPeriod);
    }
    if (m.cpuQuota) {
      w.uint32(16).int64(m.cpuQuota);
    }
    if (m.cpuShares) {
      w.uint32(24).int64(m.cpuShares);
    }
    if (m.memoryLimitInBytes) {
      w.uint32(32).int64(m.memoryLimitInBytes);
    }
    if (m.oomScoreAdj) {
      w.uint32(40).int64(m.oomScoreAdj);
    }
    if (m.unified !== undefined)
      for (const [key, item] of m.unified) {
        const entry = w.open(74);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: LinuxContainerResources = {
      cpuPeriod: 0,
      cpuQuota: 0,
      cpuShares: 0,
      memoryLimitInBytes: 0,
      oomScoreAdj: 0,
      unified: new Map(),
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.cpuPeriod = r.int64();
          break;
        }
        case 16: {
          m.cpuQuota = r.int64();
          break;
        }
        case 24: {
          m.cpuShares = r.int64();
          break;
        }
        case 32: {
          m.memoryLimitInBytes = r.int64();
          break;
        }
        case 40: {
          m.oomScoreAdj = r.int64();
          break;
        }
        case 74: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.unified.set(key, item);
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
    cpuPeriod: m.cpuPeriod ?? 0,
    cpuQuota: m.cpuQuota ?? 0,
    cpuShares: m.cpuShares ?? 0,
    memoryLimitInBytes: m.memoryLimitInBytes ?? 0,
    oomScoreAdj: m.oomScoreAdj ?? 0,
    unified: new Map([...(m.unified ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface Capability {
  addCapabilities: string[];
  dropCapabilities: string[];
}

export const Capability: MessageCodec<Capability> = codec<Capability>(
  'runtime.v1.Capability',
  (w, m) => {
    if (m.addCapabilities !== undefined)
      for (const item of m.addCapabilities) {
        w.uint32(10).string(item);
      }
    if (m.dropCapabilities !== undefined)
      for (const item of m.dropCapabilities) {
        w.uint32(18).string(item);
      }
  },
  (r, end) => {
    const m: Capability = { addCapabilities: [], dropCapabilities: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.addCapabilities.push(r.string());
          break;
        }
        case 18: {
          m.dropCapabilities.push(r.string());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ addCapabilities: [...(m.addCapabilities ?? [])], dropCapabilities: [...(m.dropCapabilities ?? [])] }),
);

export interface LinuxContainerSecurityContext {
  capabilities: Capability | undefined;
  privileged: boolean;
  namespaceOptions: NamespaceOption | undefined;
  runAsUser: Int64Value | undefined;
  readonlyRootfs: boolean;
  supplementalGroups: number[];
  noNewPrivs: boolean;
  runAsGroup: Int64Value | undefined;
  maskedPaths: string[];
  readonlyPaths: string[];
  seccomp: SecurityProfile | undefined;
  apparmor: SecurityProfile | undefined;
  supplementalGroupsPolicy: number;
}

export const LinuxContainerSecurityContext: MessageCodec<LinuxContainerSecurityContext> =
  codec<LinuxContainerSecurityContext>(
    'runtime.v1.LinuxContainerSecurityContext',
    (w, m) => {
      if (m.capabilities !== undefined) {
        const start = w.open(10);
        Capability.write(w, m.capabilities);
        w.close(start);
      }
      if (m.privileged) {
        w.uint32(16).bool(m.privileged);
      }
      if (m.namespaceOptions !== undefined) {
        const start = w.open(26);
        NamespaceOption.write(w, m.namespaceOptions);
        w.close(start);
      }
      if (m.runAsUser !== undefined) {
        const start = w.open(42);
        Int64Value.write(w, m.runAsUser);
        w.close(start);
      }
      if (m.readonlyRootfs) {
        w.uint32(56).bool(m.readonlyRootfs);
      }
      if (m.supplementalGroups !== undefined && m.supplementalGroups.length > 0) {
        const start = w.open(66);
        for (const item of m.supplementalGroups) w.int64(item);
        w.close(start);
      }
      if (m.noNewPrivs) {
        w.uint32(88).bool(m.noNewPrivs);
      }
      if (m.runAsGroup !== undefined) {
        const start = w.open(98);
        Int64Value.write(w, m.runAsGroup);
        w.close(start);
      }
      if (m.maskedPaths !== undefined)
        for (const item of m.maskedPaths) {
          w.uint32(106).string(item);
        }
      if (m.readonlyPaths !== undefined)
        for (const item of m.readonlyPaths) {
          w.uint32(114).string(item);
        }
      if (m.seccomp !== undefined) {
        const start = w.open(122);
        SecurityProfile.write(w, m.seccomp);
        w.close(start);
      }
      if (m.apparmor !== undefined) {
        const start = w.open(130);
        SecurityProfile.write(w, m.apparmor);
        w.close(start);
      }
      if (m.supplementalGroupsPolicy) {
        w.uint32(136).int32(m.supplementalGroupsPolicy);
      }
    },
    (r, end) => {
      const m: LinuxContainerSecurityContext = {
        capabilities: undefined,
        privileged: false,
        namespaceOptions: undefined,
        runAsUser: undefined,
        readonlyRootfs: false,
        supplementalGroups: [],
        noNewPrivs: false,
        runAsGroup: undefined,
        maskedPaths: [],
        readonlyPaths: [],
        seccomp: undefined,
        apparmor: undefined,
        supplementalGroupsPolicy: 0,
      };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            const to = r.enter();
            m.capabilities = Capability.read(r, to);
            r.leave(to);
            break;
          }
          case 16: {
            m.privileged = r.bool();
            break;
          }
          case 26: {
            const to = r.enter();
            m.namespaceOptions = NamespaceOption.read(r, to);
            r.leave(to);
            break;
          }
          case 42: {
            const to = r.enter();
            m.runAsUser = Int64Value.read(r, to);
            r.leave(to);
            break;
          }
          case 56: {
            m.readonlyRootfs = r.bool();
            break;
          }
          case 64: {
            m.supplementalGroups.push(r.int64());
            break;
          }
          case 66: {
            const to = r.packed();
            while (r.position < to) m.supplementalGroups.push(r.int64());
            r.endPacked(to);
            break;
          }
          case 88: {
            m.noNewPrivs = r.bool();
            break;
          }
          case 98: {
            const to = r.enter();
            m.runAsGroup = Int64Value.read(r, to);
            r.leave(to);
            break;
          }
          case 106: {
            m.maskedPaths.push(r.string());
            break;
          }
          case 114: {
            m.readonlyPaths.push(r.string());
            break;
          }
          case 122: {
            const to = r.enter();
            m.seccomp = SecurityProfile.read(r, to);
            r.leave(to);
            break;
          }
          case 130: {
            const to = r.enter();
            m.apparmor = SecurityProfile.read(r, to);
            r.leave(to);
            break;
          }
          case 136: {
            m.supplementalGroupsPolicy = r.int32();
            break;
          }
          default:
            r.skip(tag);
        }
      }
      return m;
    },
    (m) => ({
      capabilities: m.capabilities === undefined ? undefined : Capability.create(m.capabilities),
      privileged: m.privileged ?? false,
      namespaceOptions: m.namespaceOptions === undefined ? undefined : NamespaceOption.create(m.namespaceOptions),
      runAsUser: m.runAsUser === undefined ? undefined : Int64Value.create(m.runAsUser),
      readonlyRootfs: m.readonlyRootfs ?? false,
      supplementalGroups: [...(m.supplementalGroups ?? [])],
      noNewPrivs: m.noNewPrivs ?? false,
      runAsGroup: m.runAsGroup === undefined ? undefined : Int64Value.create(m.runAsGroup),
      maskedPaths: [...(m.maskedPaths ?? [])],
      readonlyPaths: [...(m.readonlyPaths ?? [])],
      seccomp: m.seccomp === undefined ? undefined : SecurityProfile.create(m.seccomp),
      apparmor: m.apparmor === undefined ? undefined : SecurityProfile.create(m.apparmor),
      supplementalGroupsPolicy: m.supplementalGroupsPolicy ?? 0,
    }),
  );

export interface LinuxContainerConfig {
  resources: LinuxContainerResources | undefined;
  securityContext: LinuxContainerSecurityContext | undefined;
}

export const LinuxContainerConfig: MessageCodec<LinuxContainerConfig> = codec<LinuxContainerConfig>(
  'runtime.v1.LinuxContainerConfig',
  (w, m) => {
    if (m.resources !== undefined) {
      const start = w.open(10);
      LinuxContainerResources.write(w, m.resources);
      w.close(start);
    }
    if (m.securityContext !== undefined) {
      const start = w.open(18);
      LinuxContainerSecurityContext.write(w, m.securityContext);
      w.close(start);
    }
  },
  (r, end) => {
    const m: LinuxContainerConfig = { resources: undefined, securityContext: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.resources = LinuxContainerResources.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.securityContext = LinuxContainerSecurityContext.read(r, to);
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
    resources: m.resources === undefined ? undefined : LinuxContainerResources.create(m.resources),
    securityContext:
      m.securityContext === undefined ? undefined : LinuxContainerSecurityContext.create(m.securityContext),
  }),
);

export interface ContainerConfig {
  metadata: ContainerMetadata | undefined;
  image: ImageSpec | undefined;
  command: string[];
  args: string[];
  workingDir: string;
  envs: KeyValue[];
  mounts: Mount[];
  labels: Map<string, string>;
  annotations: Map<string, string>;
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  linux: LinuxContainerConfig | undefined;
  stopSignal: number;
}

export const ContainerConfig: MessageCodec<ContainerConfig> = codec<ContainerConfig>(
  'runtime.v1.ContainerConfig',
  (w, m) => {
    if (m.metadata !== undefined) {
      const start = w.open(10);
      ContainerMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.image !== undefined) {
      const start = w.open(18);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
    if (m.command !== undefined)
      for (const item of m.command) {
        w.uint32(26).string(item);
      }
    if (m.args !== undefined)
      for (const item of m.args) {
        w.uint32(34).string(item);
      }
    if (m.workingDir) {
      w.uint32(42).string(m.workingDir);
    }
    if (m.envs !== undefined)
      for (const item of m.envs) {
        const start = w.open(50);
        KeyValue.write(w, item);
        w.close(start);
      }
    if (m.mounts !== undefined)
      for (const item of m.mounts) {
        const start = w.open(58);
        Mount.write(w, item);
        w.close(start);
      }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(74);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(82);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.logPath) {
      w.uint32(90).string(m.logPath);
    }
    if (m.stdin) {
      w.uint32(96).bool(m.stdin);
    }
    if (m.stdinOnce) {
      w.uint32(104).bool(m.stdinOnce);
    }
    if (m.tty) {
      w.uint32(112).bool(m.tty);
    }
    if (m.linux !== undefined) {
      const start = w.open(122);
      LinuxContainerConfig.write(w, m.linux);
      w.close(start);
    }
    if (m.stopSignal) {
      w.uint32(144).int32(m.stopSignal);
    }
  },
  (r, end) => {
    const m: ContainerConfig = {
      metadata: undefined,
      image: undefined,
      command: [],
      args: [],
      workingDir: '',
      envs: [],
      mounts: [],
      labels: new Map(),
      annotations: new Map(),
      logPath: '',
      stdin: false,
      stdinOnce: false,
      tty: false,
      linux: undefined,
      stopSignal: 0,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.metadata = ContainerMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          m.command.push(r.string());
          break;
        }
        case 34: {
          m.args.push(r.string());
          break;
        }
        case 42: {
          m.workingDir = r.string();
          break;
        }
        case 50: {
          const to = r.enter();
          m.envs.push(KeyValue.read(r, to));
          r.leave(to);
          break;
        }
        case 58: {
          const to = r.enter();
          m.mounts.push(Mount.read(r, to));
          r.leave(to);
          break;
        }
        case 74: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
          r.leave(to);
          break;
        }
        case 82: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
          r.leave(to);
          break;
        }
        case 90: {
          m.logPath = r.string();
          break;
        }
        case 96: {
          m.stdin = r.bool();
          break;
        }
        case 104: {
          m.stdinOnce = r.bool();
          break;
        }
        case 112: {
          m.tty = r.bool();
          break;
        }
        case 122: {
          const to = r.enter();
          m.linux = LinuxContainerConfig.read(r, to);
          r.leave(to);
          break;
        }
        case 144: {
          m.stopSignal = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    metadata: m.metadata === undefined ? undefined : ContainerMetadata.create(m.metadata),
    image: m.image === undefined ? undefined : ImageSpec.create(m.image),
    command: [...(m.command ?? [])],
    args: [...(m.args ?? [])],
    workingDir: m.workingDir ?? '',
    envs: (m.envs ?? []).map((item) => KeyValue.create(item)),
    mounts: (m.mounts ?? []).map((item) => Mount.create(item)),
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
    logPath: m.logPath ?? '',
    stdin: m.stdin ?? false,
    stdinOnce: m.stdinOnce ?? false,
    tty: m.tty ?? false,
    linux: m.linux === undefined ? undefined : LinuxContainerConfig.create(m.linux),
    stopSignal: m.stopSignal ?? 0,
  }),
);

export const Signal = {
  SIGNAL_RUNTIME_DEFAULT: 0,
  SIGNAL_SIGABRT: 1,
  SIGNAL_SIGTERM: 23,
  SIGNAL_SIGRTMIN: 35,
  SIGNAL_SIGRTMAX: 65,
} as const;

export interface CreateContainerRequest {
  podSandboxId: string;
  config: ContainerConfig | undefined;
  sandboxConfig: PodSandboxConfig | undefined;
}

export const CreateContainerRequest: MessageCodec<CreateContainerRequest> = codec<CreateContainerRequest>(
  'runtime.v1.CreateContainerRequest',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
    if (m.config !== undefined) {
      const start = w.open(18);
      ContainerConfig.write(w, m.config);
      w.close(start);
    }
    if (m.sandboxConfig !== undefined) {
      const start = w.open(26);
      PodSandboxConfig.write(w, m.sandboxConfig);
      w.close(start);
    }
  },
  (r, end) => {
    const m: CreateContainerRequest = { podSandboxId: '', config: undefined, sandboxConfig: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.config = ContainerConfig.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.sandboxConfig = PodSandboxConfig.read(r, to);
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
    podSandboxId: m.podSandboxId ?? '',
    config: m.config === undefined ? undefined : ContainerConfig.create(m.config),
    sandboxConfig: m.sandboxConfig === undefined ? undefined : PodSandboxConfig.create(m.sandboxConfig),
  }),
);

export interface CreateContainerResponse {
  containerId: string;
}

export const CreateContainerResponse: MessageCodec<CreateContainerResponse> = codec<CreateContainerResponse>(
  'runtime.v1.CreateContainerResponse',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
  },
  (r, end) => {
    const m: CreateContainerResponse = { containerId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '' }),
);

export interface StartContainerRequest {
  containerId: string;
}

export const StartContainerRequest: MessageCodec<StartContainerRequest> = codec<StartContainerRequest>(
  'runtime.v1.StartContainerRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
  },
  (r, end) => {
    const m: StartContainerRequest = { containerId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '' }),
);

export interface StartContainerResponse {}

export const StartContainerResponse: MessageCodec<StartContainerResponse> = codec<StartContainerResponse>(
  'runtime.v1.StartContainerResponse',
  () => {},
  (r, end) => {
    const m: StartContainerResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface StopContainerRequest {
  containerId: string;
  timeout: number;
}

export const StopContainerRequest: MessageCodec<StopContainerRequest> = codec<StopContainerRequest>(
  'runtime.v1.StopContainerRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.timeout) {
      w.uint32(16).int64(m.timeout);
    }
  },
  (r, end) => {
    const m: StopContainerRequest = { containerId: '', timeout: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 16: {
          m.timeout = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '', timeout: m.timeout ?? 0 }),
);

export interface StopContainerResponse {}

export const StopContainerResponse: MessageCodec<StopContainerResponse> = codec<StopContainerResponse>(
  'runtime.v1.StopContainerResponse',
  () => {},
  (r, end) => {
    const m: StopContainerResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface RemoveContainerRequest {
  containerId: string;
}

export const RemoveContainerRequest: MessageCodec<RemoveContainerRequest> = codec<RemoveContainerRequest>(
  'runtime.v1.RemoveContainerRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
  },
  (r, end) => {
    const m: RemoveContainerRequest = { containerId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '' }),
);

export interface RemoveContainerResponse {}

export const RemoveContainerResponse: MessageCodec<RemoveContainerResponse> = codec<RemoveContainerResponse>(
  'runtime.v1.RemoveContainerResponse',
  () => {},
  (r, end) => {
    const m: RemoveContainerResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export const ContainerState = {
  CONTAINER_CREATED: 0,
  CONTAINER_RUNNING: 1,
  CONTAINER_EXITED: 2,
  CONTAINER_UNKNOWN: 3,
} as const;

export interface ContainerFilter {
  id: string;
  podSandboxId: string;
  labelSelector: Map<string, string>;
}

export const ContainerFilter: MessageCodec<ContainerFilter> = codec<ContainerFilter>(
  'runtime.v1.ContainerFilter',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.podSandboxId) {
      w.uint32(26).string(m.podSandboxId);
    }
    if (m.labelSelector !== undefined)
      for (const [key, item] of m.labelSelector) {
        const entry = w.open(34);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: ContainerFilter = { id: '', podSandboxId: '', labelSelector: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 26: {
          m.podSandboxId = r.string();
          break;
        }
        case 34: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labelSelector.set(key, item);
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
    id: m.id ?? '',
    podSandboxId: m.podSandboxId ?? '',
    labelSelector: new Map([...(m.labelSelector ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface ListContainersRequest {
  filter: ContainerFilter | undefined;
}

export const ListContainersRequest: MessageCodec<ListContainersRequest> = codec<ListContainersRequest>(
  'runtime.v1.ListContainersRequest',
  (w, m) => {
    if (m.filter !== undefined) {
      const start = w.open(10);
      ContainerFilter.write(w, m.filter);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ListContainersRequest = { filter: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.filter = ContainerFilter.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ filter: m.filter === undefined ? undefined : ContainerFilter.create(m.filter) }),
);

export interface Container {
  id: string;
  podSandboxId: string;
  metadata: ContainerMetadata | undefined;
  image: ImageSpec | undefined;
  imageRef: string;
  state: number;
  createdAt: bigint;
  labels: Map<string, string>;
  annotations: Map<string, string>;
}

export const Container: MessageCodec<Container> = codec<Container>(
  'runtime.v1.Container',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.podSandboxId) {
      w.uint32(18).string(m.podSandboxId);
    }
    if (m.metadata !== undefined) {
      const start = w.open(26);
      ContainerMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.image !== undefined) {
      const start = w.open(34);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
    if (m.imageRef) {
      w.uint32(42).string(m.imageRef);
    }
    if (m.state) {
      w.uint32(48).int32(m.state);
    }
    if (m.createdAt) {
      w.uint32(56).bigInt64(m.createdAt);
    }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(66);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(74);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: Container = {
      id: '',
      podSandboxId: '',
      metadata: undefined,
      image: undefined,
      imageRef: '',
      state: 0,
      createdAt: 0n,
      labels: new Map(),
      annotations: new Map(),
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          m.podSandboxId = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          m.metadata = ContainerMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        case 42: {
          m.imageRef = r.string();
          break;
        }
        case 48: {
          m.state = r.int32();
          break;
        }
        case 56: {
          m.createdAt = r.bigInt64();
          break;
        }
        case 66: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
          r.leave(to);
          break;
        }
        case 74: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
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
    id: m.id ?? '',
    podSandboxId: m.podSandboxId ?? '',
    metadata: m.metadata === undefined ? undefined : ContainerMetadata.create(m.metadata),
    image: m.image === undefined ? undefined : ImageSpec.create(m.image),
    imageRef: m.imageRef ?? '',
    state: m.state ?? 0,
    createdAt: m.createdAt ?? 0n,
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface ListContainersResponse {
  containers: Container[];
}

export const ListContainersResponse: MessageCodec<ListContainersResponse> = codec<ListContainersResponse>(
  'runtime.v1.ListContainersResponse',
  (w, m) => {
    if (m.containers !== undefined)
      for (const item of m.containers) {
        const start = w.open(10);
        Container.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListContainersResponse = { containers: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.containers.push(Container.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containers: (m.containers ?? []).map((item) => Container.create(item)) }),
);

export interface ContainerStatusRequest {
  containerId: string;
  verbose: boolean;
}

export const ContainerStatusRequest: MessageCodec<ContainerStatusRequest> = codec<ContainerStatusRequest>(
  'runtime.v1.ContainerStatusRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.verbose) {
      w.uint32(16).bool(m.verbose);
    }
  },
  (r, end) => {
    const m: ContainerStatusRequest = { containerId: '', verbose: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 16: {
          m.verbose = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '', verbose: m.verbose ?? false }),
);

export interface ContainerStatus {
  id: string;
  metadata: ContainerMetadata | undefined;
  state: number;
  createdAt: bigint;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  image: ImageSpec | undefined;
  imageRef: string;
  reason: string;
  message: string;
  labels: Map<string, string>;
  annotations: Map<string, string>;
  logPath: string;
}

export const ContainerStatus: MessageCodec<ContainerStatus> = codec<ContainerStatus>(
  'runtime.v1.ContainerStatus',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.metadata !== undefined) {
      const start = w.open(18);
      ContainerMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.state) {
      w.uint32(24).int32(m.state);
    }
    if (m.createdAt) {
      w.uint32(32).bigInt64(m.createdAt);
    }
    if (m.startedAt) {
      w.uint32(40).bigInt64(m.startedAt);
    }
    if (m.finishedAt) {
      w.uint32(48).bigInt64(m.finishedAt);
    }
    if (m.exitCode) {
      w.uint32(56).int32(m.exitCode);
    }
    if (m.image !== undefined) {
      const start = w.open(66);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
    if (m.imageRef) {
      w.uint32(74).string(m.imageRef);
    }
    if (m.reason) {
      w.uint32(82).string(m.reason);
    }
    if (m.message) {
      w.uint32(90).string(m.message);
    }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(98);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.annotations !== undefined)
      for (const [key, item] of m.annotations) {
        const entry = w.open(106);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
    if (m.logPath) {
      w.uint32(122).string(m.logPath);
    }
  },
  (r, end) => {
    const m: ContainerStatus = {
      id: '',
      metadata: undefined,
      state: 0,
      createdAt: 0n,
      startedAt: 0n,
      finishedAt: 0n,
      exitCode: 0,
      image: undefined,
      imageRef: '',
      reason: '',
      message: '',
      labels: new Map(),
      annotations: new Map(),
      logPath: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.metadata = ContainerMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 24: {
          m.state = r.int32();
          break;
        }
        case 32: {
          m.createdAt = r.bigInt64();
          break;
        }
        case 40: {
          m.startedAt = r.bigInt64();
          break;
        }
        case 48: {
          m.finishedAt = r.bigInt64();
          break;
        }
        case 56: {
          m.exitCode = r.int32();
          break;
        }
        case 66: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        case 74: {
          m.imageRef = r.string();
          break;
        }
        case 82: {
          m.reason = r.string();
          break;
        }
        case 90: {
          m.message = r.string();
          break;
        }
        case 98: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
          r.leave(to);
          break;
        }
        case 106: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.annotations.set(key, item);
          r.leave(to);
          break;
        }
        case 122: {
          m.logPath = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    id: m.id ?? '',
    metadata: m.metadata === undefined ? undefined : ContainerMetadata.create(m.metadata),
    state: m.state ?? 0,
    createdAt: m.createdAt ?? 0n,
    startedAt: m.startedAt ?? 0n,
    finishedAt: m.finishedAt ?? 0n,
    exitCode: m.exitCode ?? 0,
    image: m.image === undefined ? undefined : ImageSpec.create(m.image),
    imageRef: m.imageRef ?? '',
    reason: m.reason ?? '',
    message: m.message ?? '',
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
    annotations: new Map([...(m.annotations ?? [])].map(([key, item]) => [key, item])),
    logPath: m.logPath ?? '',
  }),
);

export interface ContainerStatusResponse {
  status: ContainerStatus | undefined;
  info: Map<string, string>;
}

export const ContainerStatusResponse: MessageCodec<ContainerStatusResponse> = codec<ContainerStatusResponse>(
  'runtime.v1.ContainerStatusResponse',
  (w, m) => {
    if (m.status !== undefined) {
      const start = w.open(10);
      ContainerStatus.write(w, m.status);
      w.close(start);
    }
    if (m.info !== undefined)
      for (const [key, item] of m.info) {
        const entry = w.open(18);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: ContainerStatusResponse = { status: undefined, info: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.status = ContainerStatus.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.info.set(key, item);
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
    status: m.status === undefined ? undefined : ContainerStatus.create(m.status),
    info: new Map([...(m.info ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface UpdateContainerResourcesRequest {
  containerId: string;
  linux: LinuxContainerResources | undefined;
}

export const UpdateContainerResourcesRequest: MessageCodec<UpdateContainerResourcesRequest> =
  codec<UpdateContainerResourcesRequest>(
    'runtime.v1.UpdateContainerResourcesRequest',
    (w, m) => {
      if (m.containerId) {
        w.uint32(10).string(m.containerId);
      }
      if (m.linux !== undefined) {
        const start = w.open(18);
        LinuxContainerResources.write(w, m.linux);
        w.close(start);
      }
    },
    (r, end) => {
      const m: UpdateContainerResourcesRequest = { containerId: '', linux: undefined };
      while (r.position < end) {
        const tag = r.tag();
        switch (tag) {
          case 10: {
            m.containerId = r.string();
            break;
          }
          case 18: {
            const to = r.enter();
            m.linux = LinuxContainerResources.read(r, to);
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
      containerId: m.containerId ?? '',
      linux: m.linux === undefined ? undefined : LinuxContainerResources.create(m.linux),
    }),
  );

export interface UpdateContainerResourcesResponse {}

export const UpdateContainerResourcesResponse: MessageCodec<UpdateContainerResourcesResponse> =
  codec<UpdateContainerResourcesResponse>(
    'runtime.v1.UpdateContainerResourcesResponse',
    () => {},
    (r, end) => {
      const m: UpdateContainerResourcesResponse = {};
      while (r.position < end) {
        const tag = r.tag();
        r.skip(tag);
      }
      return m;
    },
    () => ({}),
  );

export interface ReopenContainerLogRequest {
  containerId: string;
}

export const ReopenContainerLogRequest: MessageCodec<ReopenContainerLogRequest> = codec<ReopenContainerLogRequest>(
  'runtime.v1.ReopenContainerLogRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
  },
  (r, end) => {
    const m: ReopenContainerLogRequest = { containerId: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '' }),
);

export interface ReopenContainerLogResponse {}

export const ReopenContainerLogResponse: MessageCodec<ReopenContainerLogResponse> = codec<ReopenContainerLogResponse>(
  'runtime.v1.ReopenContainerLogResponse',
  () => {},
  (r, end) => {
    const m: ReopenContainerLogResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface ExecSyncRequest {
  containerId: string;
  cmd: string[];
  timeout: number;
}

export const ExecSyncRequest: MessageCodec<ExecSyncRequest> = codec<ExecSyncRequest>(
  'runtime.v1.ExecSyncRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.cmd !== undefined)
      for (const item of m.cmd) {
        w.uint32(18).string(item);
      }
    if (m.timeout) {
      w.uint32(24).int64(m.timeout);
    }
  },
  (r, end) => {
    const m: ExecSyncRequest = { containerId: '', cmd: [], timeout: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 18: {
          m.cmd.push(r.string());
          break;
        }
        case 24: {
          m.timeout = r.int64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containerId: m.containerId ?? '', cmd: [...(m.cmd ?? [])], timeout: m.timeout ?? 0 }),
);

export interface ExecSyncResponse {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exitCode: number;
}

export const ExecSyncResponse: MessageCodec<ExecSyncResponse> = codec<ExecSyncResponse>(
  'runtime.v1.ExecSyncResponse',
  (w, m) => {
    if (m.stdout !== undefined && m.stdout.length > 0) {
      w.uint32(10).bytes(m.stdout);
    }
    if (m.stderr !== undefined && m.stderr.length > 0) {
      w.uint32(18).bytes(m.stderr);
    }
    if (m.exitCode) {
      w.uint32(24).int32(m.exitCode);
    }
  },
  (r, end) => {
    const m: ExecSyncResponse = { stdout: EMPTY, stderr: EMPTY, exitCode: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.stdout = r.bytes();
          break;
        }
        case 18: {
          m.stderr = r.bytes();
          break;
        }
        case 24: {
          m.exitCode = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ stdout: m.stdout ?? EMPTY, stderr: m.stderr ?? EMPTY, exitCode: m.exitCode ?? 0 }),
);

export interface ExecRequest {
  containerId: string;
  cmd: string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export const ExecRequest: MessageCodec<ExecRequest> = codec<ExecRequest>(
  'runtime.v1.ExecRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.cmd !== undefined)
      for (const item of m.cmd) {
        w.uint32(18).string(item);
      }
    if (m.tty) {
      w.uint32(24).bool(m.tty);
    }
    if (m.stdin) {
      w.uint32(32).bool(m.stdin);
    }
    if (m.stdout) {
      w.uint32(40).bool(m.stdout);
    }
    if (m.stderr) {
      w.uint32(48).bool(m.stderr);
    }
  },
  (r, end) => {
    const m: ExecRequest = { containerId: '', cmd: [], tty: false, stdin: false, stdout: false, stderr: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 18: {
          m.cmd.push(r.string());
          break;
        }
        case 24: {
          m.tty = r.bool();
          break;
        }
        case 32: {
          m.stdin = r.bool();
          break;
        }
        case 40: {
          m.stdout = r.bool();
          break;
        }
        case 48: {
          m.stderr = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    containerId: m.containerId ?? '',
    cmd: [...(m.cmd ?? [])],
    tty: m.tty ?? false,
    stdin: m.stdin ?? false,
    stdout: m.stdout ?? false,
    stderr: m.stderr ?? false,
  }),
);

export interface ExecResponse {
  url: string;
}

export const ExecResponse: MessageCodec<ExecResponse> = codec<ExecResponse>(
  'runtime.v1.ExecResponse',
  (w, m) => {
    if (m.url) {
      w.uint32(10).string(m.url);
    }
  },
  (r, end) => {
    const m: ExecResponse = { url: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.url = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ url: m.url ?? '' }),
);

export interface AttachRequest {
  containerId: string;
  stdin: boolean;
  tty: boolean;
  stdout: boolean;
  stderr: boolean;
}

export const AttachRequest: MessageCodec<AttachRequest> = codec<AttachRequest>(
  'runtime.v1.AttachRequest',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.stdin) {
      w.uint32(16).bool(m.stdin);
    }
    if (m.tty) {
      w.uint32(24).bool(m.tty);
    }
    if (m.stdout) {
      w.uint32(32).bool(m.stdout);
    }
    if (m.stderr) {
      w.uint32(40).bool(m.stderr);
    }
  },
  (r, end) => {
    const m: AttachRequest = { containerId: '', stdin: false, tty: false, stdout: false, stderr: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 16: {
          m.stdin = r.bool();
          break;
        }
        case 24: {
          m.tty = r.bool();
          break;
        }
        case 32: {
          m.stdout = r.bool();
          break;
        }
        case 40: {
          m.stderr = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    containerId: m.containerId ?? '',
    stdin: m.stdin ?? false,
    tty: m.tty ?? false,
    stdout: m.stdout ?? false,
    stderr: m.stderr ?? false,
  }),
);

export interface AttachResponse {
  url: string;
}

export const AttachResponse: MessageCodec<AttachResponse> = codec<AttachResponse>(
  'runtime.v1.AttachResponse',
  (w, m) => {
    if (m.url) {
      w.uint32(10).string(m.url);
    }
  },
  (r, end) => {
    const m: AttachResponse = { url: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.url = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ url: m.url ?? '' }),
);

export interface PortForwardRequest {
  podSandboxId: string;
  port: number[];
}

export const PortForwardRequest: MessageCodec<PortForwardRequest> = codec<PortForwardRequest>(
  'runtime.v1.PortForwardRequest',
  (w, m) => {
    if (m.podSandboxId) {
      w.uint32(10).string(m.podSandboxId);
    }
    if (m.port !== undefined && m.port.length > 0) {
      const start = w.open(18);
      for (const item of m.port) w.int32(item);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PortForwardRequest = { podSandboxId: '', port: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.podSandboxId = r.string();
          break;
        }
        case 16: {
          m.port.push(r.int32());
          break;
        }
        case 18: {
          const to = r.packed();
          while (r.position < to) m.port.push(r.int32());
          r.endPacked(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ podSandboxId: m.podSandboxId ?? '', port: [...(m.port ?? [])] }),
);

export interface PortForwardResponse {
  url: string;
}

export const PortForwardResponse: MessageCodec<PortForwardResponse> = codec<PortForwardResponse>(
  'runtime.v1.PortForwardResponse',
  (w, m) => {
    if (m.url) {
      w.uint32(10).string(m.url);
    }
  },
  (r, end) => {
    const m: PortForwardResponse = { url: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.url = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ url: m.url ?? '' }),
);

export interface UInt64Value {
  value: bigint;
}

export const UInt64Value: MessageCodec<UInt64Value> = codec<UInt64Value>(
  'runtime.v1.UInt64Value',
  (w, m) => {
    if (m.value) {
      w.uint32(8).bigUint64(m.value);
    }
  },
  (r, end) => {
    const m: UInt64Value = { value: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.value = r.bigUint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ value: m.value ?? 0n }),
);

export interface CpuUsage {
  timestamp: bigint;
  usageCoreNanoSeconds: UInt64Value | undefined;
}

export const CpuUsage: MessageCodec<CpuUsage> = codec<CpuUsage>(
  'runtime.v1.CpuUsage',
  (w, m) => {
    if (m.timestamp) {
      w.uint32(8).bigInt64(m.timestamp);
    }
    if (m.usageCoreNanoSeconds !== undefined) {
      const start = w.open(18);
      UInt64Value.write(w, m.usageCoreNanoSeconds);
      w.close(start);
    }
  },
  (r, end) => {
    const m: CpuUsage = { timestamp: 0n, usageCoreNanoSeconds: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.timestamp = r.bigInt64();
          break;
        }
        case 18: {
          const to = r.enter();
          m.usageCoreNanoSeconds = UInt64Value.read(r, to);
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
    timestamp: m.timestamp ?? 0n,
    usageCoreNanoSeconds: m.usageCoreNanoSeconds === undefined ? undefined : UInt64Value.create(m.usageCoreNanoSeconds),
  }),
);

export interface MemoryUsage {
  timestamp: bigint;
  workingSetBytes: UInt64Value | undefined;
  usageBytes: UInt64Value | undefined;
  rssBytes: UInt64Value | undefined;
}

export const MemoryUsage: MessageCodec<MemoryUsage> = codec<MemoryUsage>(
  'runtime.v1.MemoryUsage',
  (w, m) => {
    if (m.timestamp) {
      w.uint32(8).bigInt64(m.timestamp);
    }
    if (m.workingSetBytes !== undefined) {
      const start = w.open(18);
      UInt64Value.write(w, m.workingSetBytes);
      w.close(start);
    }
    if (m.usageBytes !== undefined) {
      const start = w.open(34);
      UInt64Value.write(w, m.usageBytes);
      w.close(start);
    }
    if (m.rssBytes !== undefined) {
      const start = w.open(42);
      UInt64Value.write(w, m.rssBytes);
      w.close(start);
    }
  },
  (r, end) => {
    const m: MemoryUsage = { timestamp: 0n, workingSetBytes: undefined, usageBytes: undefined, rssBytes: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.timestamp = r.bigInt64();
          break;
        }
        case 18: {
          const to = r.enter();
          m.workingSetBytes = UInt64Value.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.usageBytes = UInt64Value.read(r, to);
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.rssBytes = UInt64Value.read(r, to);
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
    timestamp: m.timestamp ?? 0n,
    workingSetBytes: m.workingSetBytes === undefined ? undefined : UInt64Value.create(m.workingSetBytes),
    usageBytes: m.usageBytes === undefined ? undefined : UInt64Value.create(m.usageBytes),
    rssBytes: m.rssBytes === undefined ? undefined : UInt64Value.create(m.rssBytes),
  }),
);

export interface ContainerAttributes {
  id: string;
  metadata: ContainerMetadata | undefined;
  labels: Map<string, string>;
}

export const ContainerAttributes: MessageCodec<ContainerAttributes> = codec<ContainerAttributes>(
  'runtime.v1.ContainerAttributes',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.metadata !== undefined) {
      const start = w.open(18);
      ContainerMetadata.write(w, m.metadata);
      w.close(start);
    }
    if (m.labels !== undefined)
      for (const [key, item] of m.labels) {
        const entry = w.open(26);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: ContainerAttributes = { id: '', metadata: undefined, labels: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.metadata = ContainerMetadata.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labels.set(key, item);
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
    id: m.id ?? '',
    metadata: m.metadata === undefined ? undefined : ContainerMetadata.create(m.metadata),
    labels: new Map([...(m.labels ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface ContainerStats {
  attributes: ContainerAttributes | undefined;
  cpu: CpuUsage | undefined;
  memory: MemoryUsage | undefined;
}

export const ContainerStats: MessageCodec<ContainerStats> = codec<ContainerStats>(
  'runtime.v1.ContainerStats',
  (w, m) => {
    if (m.attributes !== undefined) {
      const start = w.open(10);
      ContainerAttributes.write(w, m.attributes);
      w.close(start);
    }
    if (m.cpu !== undefined) {
      const start = w.open(18);
      CpuUsage.write(w, m.cpu);
      w.close(start);
    }
    if (m.memory !== undefined) {
      const start = w.open(26);
      MemoryUsage.write(w, m.memory);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ContainerStats = { attributes: undefined, cpu: undefined, memory: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.attributes = ContainerAttributes.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.cpu = CpuUsage.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.memory = MemoryUsage.read(r, to);
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
    attributes: m.attributes === undefined ? undefined : ContainerAttributes.create(m.attributes),
    cpu: m.cpu === undefined ? undefined : CpuUsage.create(m.cpu),
    memory: m.memory === undefined ? undefined : MemoryUsage.create(m.memory),
  }),
);

export interface ContainerStatsFilter {
  id: string;
  podSandboxId: string;
  labelSelector: Map<string, string>;
}

export const ContainerStatsFilter: MessageCodec<ContainerStatsFilter> = codec<ContainerStatsFilter>(
  'runtime.v1.ContainerStatsFilter',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.podSandboxId) {
      w.uint32(18).string(m.podSandboxId);
    }
    if (m.labelSelector !== undefined)
      for (const [key, item] of m.labelSelector) {
        const entry = w.open(26);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: ContainerStatsFilter = { id: '', podSandboxId: '', labelSelector: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          m.podSandboxId = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.labelSelector.set(key, item);
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
    id: m.id ?? '',
    podSandboxId: m.podSandboxId ?? '',
    labelSelector: new Map([...(m.labelSelector ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface ListContainerStatsRequest {
  filter: ContainerStatsFilter | undefined;
}

export const ListContainerStatsRequest: MessageCodec<ListContainerStatsRequest> = codec<ListContainerStatsRequest>(
  'runtime.v1.ListContainerStatsRequest',
  (w, m) => {
    if (m.filter !== undefined) {
      const start = w.open(10);
      ContainerStatsFilter.write(w, m.filter);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ListContainerStatsRequest = { filter: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.filter = ContainerStatsFilter.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ filter: m.filter === undefined ? undefined : ContainerStatsFilter.create(m.filter) }),
);

export interface ListContainerStatsResponse {
  stats: ContainerStats[];
}

export const ListContainerStatsResponse: MessageCodec<ListContainerStatsResponse> = codec<ListContainerStatsResponse>(
  'runtime.v1.ListContainerStatsResponse',
  (w, m) => {
    if (m.stats !== undefined)
      for (const item of m.stats) {
        const start = w.open(10);
        ContainerStats.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListContainerStatsResponse = { stats: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.stats.push(ContainerStats.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ stats: (m.stats ?? []).map((item) => ContainerStats.create(item)) }),
);

export interface GetEventsRequest {}

export const GetEventsRequest: MessageCodec<GetEventsRequest> = codec<GetEventsRequest>(
  'runtime.v1.GetEventsRequest',
  () => {},
  (r, end) => {
    const m: GetEventsRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export const ContainerEventType = {
  CONTAINER_CREATED_EVENT: 0,
  CONTAINER_STARTED_EVENT: 1,
  CONTAINER_STOPPED_EVENT: 2,
  CONTAINER_DELETED_EVENT: 3,
} as const;

export interface ContainerEventResponse {
  containerId: string;
  containerEventType: number;
  createdAt: bigint;
}

export const ContainerEventResponse: MessageCodec<ContainerEventResponse> = codec<ContainerEventResponse>(
  'runtime.v1.ContainerEventResponse',
  (w, m) => {
    if (m.containerId) {
      w.uint32(10).string(m.containerId);
    }
    if (m.containerEventType) {
      w.uint32(16).int32(m.containerEventType);
    }
    if (m.createdAt) {
      w.uint32(24).bigInt64(m.createdAt);
    }
  },
  (r, end) => {
    const m: ContainerEventResponse = { containerId: '', containerEventType: 0, createdAt: 0n };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containerId = r.string();
          break;
        }
        case 16: {
          m.containerEventType = r.int32();
          break;
        }
        case 24: {
          m.createdAt = r.bigInt64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    containerId: m.containerId ?? '',
    containerEventType: m.containerEventType ?? 0,
    createdAt: m.createdAt ?? 0n,
  }),
);

export interface ImageFilter {
  image: ImageSpec | undefined;
}

export const ImageFilter: MessageCodec<ImageFilter> = codec<ImageFilter>(
  'runtime.v1.ImageFilter',
  (w, m) => {
    if (m.image !== undefined) {
      const start = w.open(10);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ImageFilter = { image: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ image: m.image === undefined ? undefined : ImageSpec.create(m.image) }),
);

export interface ListImagesRequest {
  filter: ImageFilter | undefined;
}

export const ListImagesRequest: MessageCodec<ListImagesRequest> = codec<ListImagesRequest>(
  'runtime.v1.ListImagesRequest',
  (w, m) => {
    if (m.filter !== undefined) {
      const start = w.open(10);
      ImageFilter.write(w, m.filter);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ListImagesRequest = { filter: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.filter = ImageFilter.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ filter: m.filter === undefined ? undefined : ImageFilter.create(m.filter) }),
);

export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: number;
  uid: Int64Value | undefined;
  username: string;
  pinned: boolean;
}

export const Image: MessageCodec<Image> = codec<Image>(
  'runtime.v1.Image',
  (w, m) => {
    if (m.id) {
      w.uint32(10).string(m.id);
    }
    if (m.repoTags !== undefined)
      for (const item of m.repoTags) {
        w.uint32(18).string(item);
      }
    if (m.repoDigests !== undefined)
      for (const item of m.repoDigests) {
        w.uint32(26).string(item);
      }
    if (m.size) {
      w.uint32(32).uint64(m.size);
    }
    if (m.uid !== undefined) {
      const start = w.open(42);
      Int64Value.write(w, m.uid);
      w.close(start);
    }
    if (m.username) {
      w.uint32(50).string(m.username);
    }
    if (m.pinned) {
      w.uint32(64).bool(m.pinned);
    }
  },
  (r, end) => {
    const m: Image = { id: '', repoTags: [], repoDigests: [], size: 0, uid: undefined, username: '', pinned: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.id = r.string();
          break;
        }
        case 18: {
          m.repoTags.push(r.string());
          break;
        }
        case 26: {
          m.repoDigests.push(r.string());
          break;
        }
        case 32: {
          m.size = r.uint64();
          break;
        }
        case 42: {
          const to = r.enter();
          m.uid = Int64Value.read(r, to);
          r.leave(to);
          break;
        }
        case 50: {
          m.username = r.string();
          break;
        }
        case 64: {
          m.pinned = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    id: m.id ?? '',
    repoTags: [...(m.repoTags ?? [])],
    repoDigests: [...(m.repoDigests ?? [])],
    size: m.size ?? 0,
    uid: m.uid === undefined ? undefined : Int64Value.create(m.uid),
    username: m.username ?? '',
    pinned: m.pinned ?? false,
  }),
);

export interface ListImagesResponse {
  images: Image[];
}

export const ListImagesResponse: MessageCodec<ListImagesResponse> = codec<ListImagesResponse>(
  'runtime.v1.ListImagesResponse',
  (w, m) => {
    if (m.images !== undefined)
      for (const item of m.images) {
        const start = w.open(10);
        Image.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListImagesResponse = { images: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.images.push(Image.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ images: (m.images ?? []).map((item) => Image.create(item)) }),
);

export interface ImageStatusRequest {
  image: ImageSpec | undefined;
  verbose: boolean;
}

export const ImageStatusRequest: MessageCodec<ImageStatusRequest> = codec<ImageStatusRequest>(
  'runtime.v1.ImageStatusRequest',
  (w, m) => {
    if (m.image !== undefined) {
      const start = w.open(10);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
    if (m.verbose) {
      w.uint32(16).bool(m.verbose);
    }
  },
  (r, end) => {
    const m: ImageStatusRequest = { image: undefined, verbose: false };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        case 16: {
          m.verbose = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ image: m.image === undefined ? undefined : ImageSpec.create(m.image), verbose: m.verbose ?? false }),
);

export interface ImageStatusResponse {
  image: Image | undefined;
  info: Map<string, string>;
}

export const ImageStatusResponse: MessageCodec<ImageStatusResponse> = codec<ImageStatusResponse>(
  'runtime.v1.ImageStatusResponse',
  (w, m) => {
    if (m.image !== undefined) {
      const start = w.open(10);
      Image.write(w, m.image);
      w.close(start);
    }
    if (m.info !== undefined)
      for (const [key, item] of m.info) {
        const entry = w.open(18);
        w.uint32(10).string(key);
        w.uint32(18).string(item);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: ImageStatusResponse = { image: undefined, info: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.image = Image.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          let key = '';
          let item = '';
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                item = r.string();
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.info.set(key, item);
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
    image: m.image === undefined ? undefined : Image.create(m.image),
    info: new Map([...(m.info ?? [])].map(([key, item]) => [key, item])),
  }),
);

export interface AuthConfig {
  username: string;
  password: string;
  auth: string;
  serverAddress: string;
  identityToken: string;
  registryToken: string;
}

export const AuthConfig: MessageCodec<AuthConfig> = codec<AuthConfig>(
  'runtime.v1.AuthConfig',
  (w, m) => {
    if (m.username) {
      w.uint32(10).string(m.username);
    }
    if (m.password) {
      w.uint32(18).string(m.password);
    }
    if (m.auth) {
      w.uint32(26).string(m.auth);
    }
    if (m.serverAddress) {
      w.uint32(34).string(m.serverAddress);
    }
    if (m.identityToken) {
      w.uint32(42).string(m.identityToken);
    }
    if (m.registryToken) {
      w.uint32(50).string(m.registryToken);
    }
  },
  (r, end) => {
    const m: AuthConfig = {
      username: '',
      password: '',
      auth: '',
      serverAddress: '',
      identityToken: '',
      registryToken: '',
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.username = r.string();
          break;
        }
        case 18: {
          m.password = r.string();
          break;
        }
        case 26: {
          m.auth = r.string();
          break;
        }
        case 34: {
          m.serverAddress = r.string();
          break;
        }
        case 42: {
          m.identityToken = r.string();
          break;
        }
        case 50: {
          m.registryToken = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    username: m.username ?? '',
    password: m.password ?? '',
    auth: m.auth ?? '',
    serverAddress: m.serverAddress ?? '',
    identityToken: m.identityToken ?? '',
    registryToken: m.registryToken ?? '',
  }),
);

export interface PullImageRequest {
  image: ImageSpec | undefined;
  auth: AuthConfig | undefined;
}

export const PullImageRequest: MessageCodec<PullImageRequest> = codec<PullImageRequest>(
  'runtime.v1.PullImageRequest',
  (w, m) => {
    if (m.image !== undefined) {
      const start = w.open(10);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
    if (m.auth !== undefined) {
      const start = w.open(18);
      AuthConfig.write(w, m.auth);
      w.close(start);
    }
  },
  (r, end) => {
    const m: PullImageRequest = { image: undefined, auth: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.auth = AuthConfig.read(r, to);
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
    image: m.image === undefined ? undefined : ImageSpec.create(m.image),
    auth: m.auth === undefined ? undefined : AuthConfig.create(m.auth),
  }),
);

export interface PullImageResponse {
  imageRef: string;
}

export const PullImageResponse: MessageCodec<PullImageResponse> = codec<PullImageResponse>(
  'runtime.v1.PullImageResponse',
  (w, m) => {
    if (m.imageRef) {
      w.uint32(10).string(m.imageRef);
    }
  },
  (r, end) => {
    const m: PullImageResponse = { imageRef: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.imageRef = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ imageRef: m.imageRef ?? '' }),
);

export interface RemoveImageRequest {
  image: ImageSpec | undefined;
}

export const RemoveImageRequest: MessageCodec<RemoveImageRequest> = codec<RemoveImageRequest>(
  'runtime.v1.RemoveImageRequest',
  (w, m) => {
    if (m.image !== undefined) {
      const start = w.open(10);
      ImageSpec.write(w, m.image);
      w.close(start);
    }
  },
  (r, end) => {
    const m: RemoveImageRequest = { image: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.image = ImageSpec.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ image: m.image === undefined ? undefined : ImageSpec.create(m.image) }),
);

export interface RemoveImageResponse {}

export const RemoveImageResponse: MessageCodec<RemoveImageResponse> = codec<RemoveImageResponse>(
  'runtime.v1.RemoveImageResponse',
  () => {},
  (r, end) => {
    const m: RemoveImageResponse = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface ImageFsInfoRequest {}

export const ImageFsInfoRequest: MessageCodec<ImageFsInfoRequest> = codec<ImageFsInfoRequest>(
  'runtime.v1.ImageFsInfoRequest',
  () => {},
  (r, end) => {
    const m: ImageFsInfoRequest = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface FilesystemIdentifier {
  mountpoint: string;
}

export const FilesystemIdentifier: MessageCodec<FilesystemIdentifier> = codec<FilesystemIdentifier>(
  'runtime.v1.FilesystemIdentifier',
  (w, m) => {
    if (m.mountpoint) {
      w.uint32(10).string(m.mountpoint);
    }
  },
  (r, end) => {
    const m: FilesystemIdentifier = { mountpoint: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.mountpoint = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ mountpoint: m.mountpoint ?? '' }),
);

export interface FilesystemUsage {
  timestamp: bigint;
  fsId: FilesystemIdentifier | undefined;
  usedBytes: UInt64Value | undefined;
}

export const FilesystemUsage: MessageCodec<FilesystemUsage> = codec<FilesystemUsage>(
  'runtime.v1.FilesystemUsage',
  (w, m) => {
    if (m.timestamp) {
      w.uint32(8).bigInt64(m.timestamp);
    }
    if (m.fsId !== undefined) {
      const start = w.open(18);
      FilesystemIdentifier.write(w, m.fsId);
      w.close(start);
    }
    if (m.usedBytes !== undefined) {
      const start = w.open(26);
      UInt64Value.write(w, m.usedBytes);
      w.close(start);
    }
  },
  (r, end) => {
    const m: FilesystemUsage = { timestamp: 0n, fsId: undefined, usedBytes: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.timestamp = r.bigInt64();
          break;
        }
        case 18: {
          const to = r.enter();
          m.fsId = FilesystemIdentifier.read(r, to);
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.usedBytes = UInt64Value.read(r, to);
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
    timestamp: m.timestamp ?? 0n,
    fsId: m.fsId === undefined ? undefined : FilesystemIdentifier.create(m.fsId),
    usedBytes: m.usedBytes === undefined ? undefined : UInt64Value.create(m.usedBytes),
  }),
);

export interface ImageFsInfoResponse {
  imageFilesystems: FilesystemUsage[];
}

export const ImageFsInfoResponse: MessageCodec<ImageFsInfoResponse> = codec<ImageFsInfoResponse>(
  'runtime.v1.ImageFsInfoResponse',
  (w, m) => {
    if (m.imageFilesystems !== undefined)
      for (const item of m.imageFilesystems) {
        const start = w.open(10);
        FilesystemUsage.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ImageFsInfoResponse = { imageFilesystems: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.imageFilesystems.push(FilesystemUsage.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ imageFilesystems: (m.imageFilesystems ?? []).map((item) => FilesystemUsage.create(item)) }),
);

export const Events = {
  typeName: 'containerd.services.events.v1.Events',
  methods: {
    subscribe: {
      path: '/containerd.services.events.v1.Events/Subscribe',
      request: SubscribeRequest,
      response: Envelope,
      requestStream: false,
      responseStream: true,
    },
  },
} as const;

export const RuntimeService = {
  typeName: 'runtime.v1.RuntimeService',
  methods: {
    version: {
      path: '/runtime.v1.RuntimeService/Version',
      request: VersionRequest,
      response: VersionResponse,
      requestStream: false,
      responseStream: false,
    },
    status: {
      path: '/runtime.v1.RuntimeService/Status',
      request: StatusRequest,
      response: StatusResponse,
      requestStream: false,
      responseStream: false,
    },
    runPodSandbox: {
      path: '/runtime.v1.RuntimeService/RunPodSandbox',
      request: RunPodSandboxRequest,
      response: RunPodSandboxResponse,
      requestStream: false,
      responseStream: false,
    },
    stopPodSandbox: {
      path: '/runtime.v1.RuntimeService/StopPodSandbox',
      request: StopPodSandboxRequest,
      response: StopPodSandboxResponse,
      requestStream: false,
      responseStream: false,
    },
    removePodSandbox: {
      path: '/runtime.v1.RuntimeService/RemovePodSandbox',
      request: RemovePodSandboxRequest,
      response: RemovePodSandboxResponse,
      requestStream: false,
      responseStream: false,
    },
    podSandboxStatus: {
      path: '/runtime.v1.RuntimeService/PodSandboxStatus',
      request: PodSandboxStatusRequest,
      response: PodSandboxStatusResponse,
      requestStream: false,
      responseStream: false,
    },
    listPodSandbox: {
      path: '/runtime.v1.RuntimeService/ListPodSandbox',
      request: ListPodSandboxRequest,
      response: ListPodSandboxResponse,
      requestStream: false,
      responseStream: false,
    },
    createContainer: {
      path: '/runtime.v1.RuntimeService/CreateContainer',
      request: CreateContainerRequest,
      response: CreateContainerResponse,
      requestStream: false,
      responseStream: false,
    },
    startContainer: {
      path: '/runtime.v1.RuntimeService/StartContainer',
      request: StartContainerRequest,
      response: StartContainerResponse,
      requestStream: false,
      responseStream: false,
    },
    stopContainer: {
      path: '/runtime.v1.RuntimeService/StopContainer',
      request: StopContainerRequest,
      response: StopContainerResponse,
      requestStream: false,
      responseStream: false,
    },
    removeContainer: {
      path: '/runtime.v1.RuntimeService/RemoveContainer',
      request: RemoveContainerRequest,
      response: RemoveContainerResponse,
      requestStream: false,
      responseStream: false,
    },
    listContainers: {
      path: '/runtime.v1.RuntimeService/ListContainers',
      request: ListContainersRequest,
      response: ListContainersResponse,
      requestStream: false,
      responseStream: false,
    },
    containerStatus: {
      path: '/runtime.v1.RuntimeService/ContainerStatus',
      request: ContainerStatusRequest,
      response: ContainerStatusResponse,
      requestStream: false,
      responseStream: false,
    },
    updateContainerResources: {
      path: '/runtime.v1.RuntimeService/UpdateContainerResources',
      request: UpdateContainerResourcesRequest,
      response: UpdateContainerResourcesResponse,
      requestStream: false,
      responseStream: false,
    },
    reopenContainerLog: {
      path: '/runtime.v1.RuntimeService/ReopenContainerLog',
      request: ReopenContainerLogRequest,
      response: ReopenContainerLogResponse,
      requestStream: false,
      responseStream: false,
    },
    execSync: {
      path: '/runtime.v1.RuntimeService/ExecSync',
      request: ExecSyncRequest,
      response: ExecSyncResponse,
      requestStream: false,
      responseStream: false,
    },
    exec: {
      path: '/runtime.v1.RuntimeService/Exec',
      request: ExecRequest,
      response: ExecResponse,
      requestStream: false,
      responseStream: false,
    },
    attach: {
      path: '/runtime.v1.RuntimeService/Attach',
      request: AttachRequest,
      response: AttachResponse,
      requestStream: false,
      responseStream: false,
    },
    portForward: {
      path: '/runtime.v1.RuntimeService/PortForward',
      request: PortForwardRequest,
      response: PortForwardResponse,
      requestStream: false,
      responseStream: false,
    },
    listContainerStats: {
      path: '/runtime.v1.RuntimeService/ListContainerStats',
      request: ListContainerStatsRequest,
      response: ListContainerStatsResponse,
      requestStream: false,
      responseStream: false,
    },
    runtimeConfig: {
      path: '/runtime.v1.RuntimeService/RuntimeConfig',
      request: RuntimeConfigRequest,
      response: RuntimeConfigResponse,
      requestStream: false,
      responseStream: false,
    },
    getContainerEvents: {
      path: '/runtime.v1.RuntimeService/GetContainerEvents',
      request: GetEventsRequest,
      response: ContainerEventResponse,
      requestStream: false,
      responseStream: true,
    },
  },
} as const;

export const ImageService = {
  typeName: 'runtime.v1.ImageService',
  methods: {
    listImages: {
      path: '/runtime.v1.ImageService/ListImages',
      request: ListImagesRequest,
      response: ListImagesResponse,
      requestStream: false,
      responseStream: false,
    },
    imageStatus: {
      path: '/runtime.v1.ImageService/ImageStatus',
      request: ImageStatusRequest,
      response: ImageStatusResponse,
      requestStream: false,
      responseStream: false,
    },
    pullImage: {
      path: '/runtime.v1.ImageService/PullImage',
      request: PullImageRequest,
      response: PullImageResponse,
      requestStream: false,
      responseStream: false,
    },
    removeImage: {
      path: '/runtime.v1.ImageService/RemoveImage',
      request: RemoveImageRequest,
      response: RemoveImageResponse,
      requestStream: false,
      responseStream: false,
    },
    imageFsInfo: {
      path: '/runtime.v1.ImageService/ImageFsInfo',
      request: ImageFsInfoRequest,
      response: ImageFsInfoResponse,
      requestStream: false,
      responseStream: false,
    },
  },
} as const;
