/**
 * Prometheus' text format as its reader: what one scrape said, and what two scrapes of a histogram say of the time
 * between them. Lenient: a line that is none of the format is passed over, and what is missing is undefined.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** By name; a histogram is its `_bucket`, `_sum` and `_count`. */
export type Metrics = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', number = ''] = LINE.exec(line) ?? [];
    const value = parseNumber(number);
    if (name === undefined || value === undefined) continue;
    const samples = metrics.get(name) ?? [];
    metrics.set(name, samples);
    samples.push({ labels: parseLabels(labels), value });
  }
  return metrics;
}

function parseNumber(text: string): number | undefined {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  const value = Number(text);
  return text === '' || Number.isNaN(value) ? undefined : value;
}

function parseLabels(text: string): Record<string, string> {
  const unescaped = (value: string) => value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name!, unescaped(value!)]));
}

/** Of the first of `names` that is there: who serves metrics may know one by an older name. */
export function valueOf(metrics: Metrics, ...names: readonly string[]): number | undefined {
  return names.flatMap((name) => metrics.get(name) ?? []).at(0)?.value;
}

/** How many observations were at most `upTo`, those of all lower buckets included. */
export interface Bucket {
  readonly upTo: number;
  readonly count: number;
}

/** Ascending; empty if there is no such histogram. */
export function bucketsOf(metrics: Metrics, histogram: string): readonly Bucket[] {
  const samples = metrics.get(`${histogram}_bucket`) ?? [];
  return samples
    .flatMap(({ labels, value }) => {
      const upTo = parseNumber(labels['le'] ?? '');
      return upTo === undefined ? [] : [{ upTo, count: value }];
    })
    .sort((a, b) => (a.upTo < b.upTo ? -1 : 1));
}

/** What was observed from `earlier` to `later`; undefined if that cannot be: it was counted anew in between. */
export function bucketsBetween(earlier: readonly Bucket[], later: readonly Bucket[]): readonly Bucket[] | undefined {
  const before = new Map(earlier.map(({ upTo, count }) => [upTo, count]));
  const between = later.map(({ upTo, count }) => ({ upTo, count: count - (before.get(upTo) ?? 0) }));
  return between.some(({ count }) => count < 0) ? undefined : between;
}

export interface Quantile {
  /** As Prometheus' histogram_quantile guesses it: evenly spread within its bucket. */
  readonly value: number;
  /** The bucket that it is in: it is above the one and at most the other, that much is certain. */
  readonly above: number;
  readonly upTo: number;
}

/** `q` from 0 to 1; undefined where nothing was observed. */
export function quantileOf(buckets: readonly Bucket[], q: number): Quantile | undefined {
  const total = buckets.at(-1)?.count ?? 0;
  if (total <= 0) return undefined;
  const rank = q * total;
  const at = buckets.findIndex(({ count }) => count > 0 && count >= rank);
  const { upTo, count } = buckets[at]!; // the last one has all of them
  const { upTo: above, count: below } = buckets[at - 1] ?? { upTo: 0, count: 0 };
  const value = upTo === Infinity ? above : above + ((upTo - above) * (rank - below)) / (count - below);
  return { value, above, upTo };
}
