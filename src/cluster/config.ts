/**
 * The file that describes a local cluster (cluster-config/local.yaml documents every field). It is a person's input:
 * whatever is wrong is refused with line and column, and with the field that was probably meant. All problems of a
 * file are reported at once.
 */
import { isAbsolute } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { UserError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';

export interface MemberConfig {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

/** `auto`: linux where this machine can isolate containers, else process (isolation.ts). */
export type RuntimeChoice = 'auto' | 'linux' | 'process' | 'cri' | 'simulated';

/** `auto`: masquerade as root, else pasta or slirp4netns, whichever is there. */
export type EgressChoice = 'auto' | 'none' | 'masquerade' | 'pasta' | 'slirp4netns';

export interface NodeConfig {
  readonly name: string;
  readonly port: number;
  readonly runtime: RuntimeChoice;
  /** Of `cri`: where containerd or CRI-O listens. */
  readonly runtimeEndpoint: string;
  readonly cpu: string;
  readonly memory: string;
  readonly pods: number;
  readonly labels: Readonly<Record<string, string>>;
  /** A folder of manifests of pods that the node runs without anybody's order; absolute. Empty or absent: none. */
  readonly podManifestPath?: string;
}

export interface Timings {
  readonly nodeHeartbeatSeconds: number;
  readonly nodeGraceSeconds: number;
  readonly podEvictionSeconds: number;
  readonly leaderLeaseSeconds: number;
}

/** When images go that no container uses; the words are the kubelet's. */
export interface ImageSettings {
  readonly gcPeriodSeconds: number;
  readonly gcHighThresholdPercent: number;
  readonly gcLowThresholdPercent: number;
  readonly gcMinimumAgeSeconds: number;
}

export interface ClusterConfig {
  readonly name: string;
  readonly store: { readonly members: readonly MemberConfig[] };
  /** Of the first API server; a further one has ports that are {@link API_SERVER_PORT_STEP} higher than the one before. */
  readonly apiServer: { readonly count: number; readonly grpcPort: number; readonly restPort: number };
  readonly scheduler: { readonly port: number };
  readonly controllers: { readonly port: number; readonly onContainerFailure: 'restart' | 'replace-pod' };
  readonly nodes: readonly NodeConfig[];
  readonly images: ImageSettings;
  /** Of pods that have a network of their own. */
  readonly network: { readonly egress: EgressChoice };
  readonly timings: Timings;
}

export interface ReadConfig {
  readonly config: ClusterConfig;
  readonly warnings: readonly string[];
}

type Shape =
  | { readonly kind: 'map'; readonly fields: Readonly<Record<string, Field>> }
  | { readonly kind: 'list'; readonly of: Shape; readonly min: number; readonly max: number }
  | { readonly kind: 'labels' }
  | { readonly kind: 'name' }
  | { readonly kind: 'quantity' }
  | { readonly kind: 'folder' }
  | { readonly kind: 'endpoint' }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole: boolean };

interface Field {
  readonly shape: Shape;
  /** Absent: the field must be written. */
  readonly fallback?: unknown;
}

/** As containerd listens by default. */
export const RUNTIME_ENDPOINT = 'unix:///run/containerd/containerd.sock';
export const isEndpoint = (text: string) => /^unix:\/\/\/.+/.test(text);

const port: Shape = { kind: 'number', min: 1, max: 65_535, whole: true };
const seconds: Shape = { kind: 'number', min: 0.1, max: 3_600, whole: false };
const percent: Shape = { kind: 'number', min: 0, max: 100, whole: true };
const name: Shape = { kind: 'name' };

/** More than seven members cost latency and win nothing; more than 64 local nodes want the simulator. */
const MEMBERS_MAX = 7;
const NODES_MAX = 64;
/** They keep nothing: two are for trying what happens when one goes, more only cost memory. */
const API_SERVERS_MAX = 5;
/** As between store members. */
export const API_SERVER_PORT_STEP = 10_000;

const memberShape: Shape = {
  kind: 'map',
  fields: { name: { shape: name }, clientPort: { shape: port }, peerPort: { shape: port } },
};

const nodeShape: Shape = {
  kind: 'map',
  fields: {
    name: { shape: name },
    port: { shape: port },
    runtime: { shape: { kind: 'choice', of: ['auto', 'linux', 'process', 'cri', 'simulated'] }, fallback: 'auto' },
    runtimeEndpoint: { shape: { kind: 'endpoint' }, fallback: RUNTIME_ENDPOINT },
    cpu: { shape: { kind: 'quantity' }, fallback: '4' },
    memory: { shape: { kind: 'quantity' }, fallback: '4Gi' },
    pods: { shape: { kind: 'number', min: 1, max: 5_000, whole: true }, fallback: 110 },
    labels: { shape: { kind: 'labels' }, fallback: {} },
    podManifestPath: { shape: { kind: 'folder' }, fallback: '' },
  },
};

const clusterShape: Shape = {
  kind: 'map',
  fields: {
    name: { shape: name, fallback: 'local' },
    store: {
      shape: {
        kind: 'map',
        fields: {
          members: {
            shape: { kind: 'list', of: memberShape, min: 1, max: MEMBERS_MAX },
            fallback: [1, 2, 3].map((n) => ({
              name: `store-${n}`,
              clientPort: 2379 + (n - 1) * 10_000,
              peerPort: 2380 + (n - 1) * 10_000,
            })),
          },
        },
      },
      fallback: {},
    },
    apiServer: {
      shape: {
        kind: 'map',
        fields: {
          count: { shape: { kind: 'number', min: 1, max: API_SERVERS_MAX, whole: true }, fallback: 1 },
          grpcPort: { shape: port, fallback: 6444 },
          restPort: { shape: port, fallback: 6443 },
        },
      },
      fallback: {},
    },
    scheduler: { shape: { kind: 'map', fields: { port: { shape: port, fallback: 10_259 } } }, fallback: {} },
    controllers: {
      shape: {
        kind: 'map',
        fields: {
          port: { shape: port, fallback: 10_257 },
          onContainerFailure: { shape: { kind: 'choice', of: ['restart', 'replace-pod'] }, fallback: 'restart' },
        },
      },
      fallback: {},
    },
    nodes: {
      shape: { kind: 'list', of: nodeShape, min: 1, max: NODES_MAX },
      fallback: [1, 2].map((n) => ({ name: `node-${n}`, port: 10_249 + n })),
    },
    images: {
      shape: {
        kind: 'map',
        fields: {
          gcPeriodSeconds: { shape: seconds, fallback: 300 },
          gcHighThresholdPercent: { shape: percent, fallback: 85 },
          gcLowThresholdPercent: { shape: percent, fallback: 80 },
          gcMinimumAgeSeconds: { shape: seconds, fallback: 120 },
        },
      },
      fallback: {},
    },
    network: {
      shape: {
        kind: 'map',
        fields: { egress: { shape: { kind: 'choice', of: ['auto', 'none', 'masquerade', 'pasta', 'slirp4netns'] }, fallback: 'auto' } },
      },
      fallback: {},
    },
    timings: {
      shape: {
        kind: 'map',
        fields: {
          nodeHeartbeatSeconds: { shape: seconds, fallback: 3 },
          nodeGraceSeconds: { shape: seconds, fallback: 9 },
          podEvictionSeconds: { shape: seconds, fallback: 4 },
          leaderLeaseSeconds: { shape: seconds, fallback: 9 },
        },
      },
      fallback: {},
    },
  },
};

/** Reads a configuration's text; `file` is only for messages. Throws a `UserError` that lists every problem. */
export function parseConfig(text: string, file: string): ReadConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const reader = new Reader(file, lines);
  for (const error of document.errors) reader.problemAt(error.pos[0], error.message);
  if (reader.problems.length === 0) {
    const value = reader.read(document.contents as Node | null, clusterShape, '');
    if (reader.problems.length === 0) {
      // The reader has checked every field against `clusterShape`, which mirrors the interface.
      const config = value as ClusterConfig;
      reader.checkWhole(config);
      if (reader.problems.length === 0) return { config, warnings: warningsOf(config, file) };
    }
  }
  throw new UserError(reader.problems.join('\n'));
}

function warningsOf(config: ClusterConfig, file: string): string[] {
  const count = config.store.members.length;
  if (count % 2 === 1) return [];
  const survives = Math.floor((count - 1) / 2);
  return [
    `${file}: store.members: ${count} members survive the loss of ${survives}, no more than ${count - 1} would: ` +
      `use ${count - 1} or ${count + 1}`,
  ];
}

class Reader {
  readonly problems: string[] = [];
  readonly #file: string;
  readonly #lines: LineCounter;
  /** Where each value stood, by its path: for what is checked across fields. */
  readonly #offsets = new Map<string, number>();

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  problemAt(offset: number, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push(`${this.#file}:${line}:${col}: ${message}`);
  }

  read(node: Node | null, shape: Shape, path: string): unknown {
    const offset = node?.range?.[0] ?? 0;
    this.#offsets.set(path, offset);
    if (isAlias(node)) return this.#wrong(offset, path, 'aliases are not supported here');
    switch (shape.kind) {
      case 'map':
        return this.#readMap(node, shape.fields, path);
      case 'list': {
        if (!isSeq(node)) return this.#wrong(offset, path, `must be a list, not ${describe(node)}`);
        const count = node.items.length;
        if (count < shape.min || count > shape.max) {
          this.#wrong(offset, path, `must have ${shape.min} to ${shape.max} entries, not ${count}`);
        }
        return node.items.map((item, i) => this.read(item as Node | null, shape.of, `${path}[${i}]`));
      }
      case 'labels': {
        if (!isMap(node)) return this.#wrong(offset, path, `must be a mapping of labels, not ${describe(node)}`);
        const labels: Record<string, string> = {};
        for (const { key, value } of node.items) {
          const text = isScalar(value) ? value.value : undefined;
          if (typeof text === 'string') labels[String(isScalar(key) ? key.value : key)] = text;
          else this.#wrong(offset, path, `the value of ${String(key)} must be a string: quote it`);
        }
        return labels;
      }
      default:
        return this.#readScalar(node, shape, path, offset);
    }
  }

  #readMap(node: Node | null, fields: Readonly<Record<string, Field>>, path: string): unknown {
    const isEmpty = node === null || (isScalar(node) && node.value === null);
    if (!isEmpty && !isMap(node)) {
      return this.#wrong(node.range?.[0] ?? 0, path, `must be a mapping, not ${describe(node)}`);
    }
    const result: Record<string, unknown> = {};
    for (const { key, value } of isMap(node) ? node.items : []) {
      const field = String(isScalar(key) ? key.value : key);
      const shape = Object.hasOwn(fields, field) ? fields[field]!.shape : undefined;
      if (shape === undefined) {
        const meant = nearest(field, Object.keys(fields));
        const known = meant === undefined ? `known are ${Object.keys(fields).join(', ')}` : `did you mean ${meant}?`;
        this.problemAt((key as Node).range?.[0] ?? 0, `unknown field ${JSON.stringify(join(path, field))}: ${known}`);
        continue;
      }
      result[field] = this.read(value as Node | null, shape, join(path, field));
    }
    for (const [field, { shape, fallback }] of Object.entries(fields)) {
      if (field in result) continue;
      if (fallback === undefined) this.#wrong(node?.range?.[0] ?? 0, join(path, field), 'must be written');
      else result[field] = complete(fallback, shape);
    }
    return result;
  }

  #readScalar(node: Node | null, shape: Exclude<Shape, { kind: 'map' | 'list' | 'labels' }>, path: string, offset: number): unknown {
    const value = isScalar(node) ? node.value : undefined;
    switch (shape.kind) {
      case 'name':
        if (typeof value === 'string' && /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value)) return value;
        return this.#wrong(
          offset,
          path,
          `must be a DNS label (lower-case letters, digits and '-', at most 63), not ${describe(node)}`,
        );
      case 'quantity': {
        const text = typeof value === 'number' ? String(value) : value;
        if (typeof text === 'string' && /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.test(text)) return text;
        return this.#wrong(offset, path, `must be a quantity such as 500m, 4 or 4Gi, not ${describe(node)}`);
      }
      case 'folder':
        if (typeof value === 'string' && (value === '' || isAbsolute(value))) return value;
        return this.#wrong(offset, path, `must be an absolute path, not ${describe(node)}`);
      case 'endpoint':
        if (typeof value === 'string' && isEndpoint(value)) return value;
        return this.#wrong(offset, path, `must be a Unix socket such as ${RUNTIME_ENDPOINT}, not ${describe(node)}`);
      case 'choice':
        if (typeof value === 'string' && shape.of.includes(value)) return value;
        return this.#wrong(offset, path, `must be ${shape.of.join(' or ')}, not ${describe(node)}`);
      case 'number':
        if (typeof value === 'number' && value >= shape.min && value <= shape.max && !(shape.whole && value % 1 !== 0)) {
          return value;
        }
        return this.#wrong(
          offset,
          path,
          `must be a ${shape.whole ? 'whole ' : ''}number from ${shape.min} to ${shape.max}, not ${describe(node)}`,
        );
    }
  }

  #wrong(offset: number, path: string, message: string): undefined {
    this.problemAt(offset, `${path === '' ? 'the file' : path}: ${message}`);
    return undefined;
  }

  /** What no single field can tell: names and ports are unique, and a grace period outlasts a heartbeat. */
  checkWhole(config: ClusterConfig): void {
    const names = new Map<string, string>();
    const ports = new Map<number, string>();
    const claim = <K>(seen: Map<K, string>, key: K, path: string, what: string) => {
      const other = seen.get(key);
      if (other === undefined) seen.set(key, path);
      else this.#wrong(this.#offsets.get(path) ?? 0, path, `${what} ${String(key)} is already that of ${other}`);
    };
    for (const reserved of ['apiserver', 'scheduler', 'controllers', 'supervisor', 'pki', 'logs', 'network', 'parts', 'images']) {
      names.set(reserved, `the part ${reserved}`);
    }
    config.store.members.forEach((member, i) => {
      claim(names, member.name, `store.members[${i}].name`, 'the name');
      claim(ports, member.clientPort, `store.members[${i}].clientPort`, 'port');
      claim(ports, member.peerPort, `store.members[${i}].peerPort`, 'port');
    });
    const { count, grpcPort, restPort } = config.apiServer;
    for (let step = 0; step < count * API_SERVER_PORT_STEP; step += API_SERVER_PORT_STEP) {
      claim(ports, grpcPort + step, 'apiServer.grpcPort', 'port');
      claim(ports, restPort + step, 'apiServer.restPort', 'port');
    }
    for (let n = 2; n <= count; n++) names.set(`apiserver-${n}`, `the part apiserver-${n}`);
    const highest = Math.max(grpcPort, restPort) + (count - 1) * API_SERVER_PORT_STEP;
    if (highest > 65_535) {
      this.#wrong(this.#offsets.get('apiServer.count') ?? 0, 'apiServer.count', `the last server's port would be ${highest}: each is ${API_SERVER_PORT_STEP} above the one before`);
    }
    claim(ports, config.scheduler.port, 'scheduler.port', 'port');
    claim(ports, config.controllers.port, 'controllers.port', 'port');
    config.nodes.forEach((node, i) => {
      claim(names, node.name, `nodes[${i}].name`, 'the name');
      claim(ports, node.port, `nodes[${i}].port`, 'port');
    });
    const { gcHighThresholdPercent: high, gcLowThresholdPercent: low } = config.images;
    if (low >= high) {
      const path = 'images.gcLowThresholdPercent';
      this.#wrong(this.#offsets.get(path) ?? this.#offsets.get('images') ?? 0, path, `must be below images.gcHighThresholdPercent (${high}), or nothing would be given back`);
    }
    const { nodeHeartbeatSeconds, nodeGraceSeconds } = config.timings;
    if (nodeGraceSeconds < 2 * nodeHeartbeatSeconds) {
      const path = 'timings.nodeGraceSeconds';
      const message = `must be at least two heartbeats (${2 * nodeHeartbeatSeconds}), or one late heartbeat loses a node`;
      this.#wrong(this.#offsets.get(path) ?? this.#offsets.get('timings') ?? 0, path, message);
    }
  }
}

/** Fills the fields that a fallback itself leaves out. */
function complete(value: unknown, shape: Shape): unknown {
  if (shape.kind === 'list') return (value as unknown[]).map((item) => complete(item, shape.of));
  if (shape.kind !== 'map') return value;
  const given = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(shape.fields).map(([field, { shape: inner, fallback }]) => [
      field,
      complete(given[field] ?? fallback, inner),
    ]),
  );
}

function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

function describe(node: Node | null): string {
  if (node === null) return 'nothing';
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  return isScalar(node) ? (node.value === null ? 'nothing' : JSON.stringify(node.value)) : 'an alias';
}
