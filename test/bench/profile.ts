/** What V8's CPU profiles say of where a member's time went, by the layer that it was spent in. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { table } from './report.ts';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node of each, about a millisecond apart. */
  readonly samples: readonly number[];
}

/** What a member does before it is measured: it loads its modules, and gets the keys that are read. */
const START_SAMPLES = 2000;

/** The first that fits; of what no file is known, by the name that V8 gives it. */
const LAYERS: ReadonlyArray<readonly [layer: string, pattern: RegExp]> = [
  ['HTTP/2 of Node.js', /^node:internal\/http2|^node:http2|nghttp2/],
  ['sockets and streams of Node.js', /^node:internal\/(?:stream|streams)|^node:(?:net|stream)|^node:internal\/js_stream/],
  ['grpc-js', /@grpc\/grpc-js/],
  ['our side of gRPC', /\/src\/grpc\//],
  ['encoding and decoding', /\/src\/proto\//],
  ['Raft and the log', /\/src\/store\/(?:raft|disk)\//],
  ['MVCC and watches', /\/src\/store\/(?:mvcc|state-machine|lease)/],
  ['LevelDB, as called', /classic-level|abstract-level|\/level\//],
  ['services and member', /\/src\/store\//],
  ['rest of Node.js', /^node:/],
];

const OTHER_FUNCTIONS: Readonly<Record<string, string>> = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code: sockets, HTTP/2 frames, system calls',
};

/** Of the busiest profile in the folder: the leader's, where one member did the work. */
export function whereTheTimeGoes(dir: string): string {
  const profiles = readdirSync(dir)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => sharesOf(JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile)); // as V8 wrote it
  const busiest = profiles.sort((a, b) => b.busy - a.busy)[0];
  if (busiest === undefined) return `no profile in ${dir}`;
  const rows = [...busiest.layers].sort(([, a], [, b]) => b - a).map(([layer, hits]) => [layer, `${((100 * hits) / busiest.busy).toFixed(0)} %`]);
  const functions = [...busiest.functions].sort(([, a], [, b]) => b - a).slice(0, 12);
  return table([
    ['busy time of the busiest member', ''],
    ...rows,
    ['', ''],
    ...functions.map(([name, hits]) => [`  ${name}`, `${((100 * hits) / busiest.busy).toFixed(1)} %`]),
  ]);
}

function sharesOf({ nodes, samples }: CpuProfile) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const layers = new Map<string, number>();
  const functions = new Map<string, number>();
  let busy = 0;
  let start = 0;
  for (const sample of samples) {
    const frame = frames.get(sample)!;
    if (frame.functionName === '(idle)' || frame.functionName === '(root)' || start++ < START_SAMPLES) continue;
    const name = `${frame.functionName || '(anonymous)'} ${frame.url.split('/').slice(-2).join('/')}`;
    busy++;
    add(layers, layerOf(frame));
    add(functions, name);
  }
  return { layers, functions, busy };
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function layerOf({ functionName, url }: ProfileNode['callFrame']): string {
  return LAYERS.find(([, pattern]) => pattern.test(url))?.[0] ?? OTHER_FUNCTIONS[functionName] ?? 'built-in functions and the rest';
}
