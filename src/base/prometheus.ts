/**
 * Prometheus' text format, and the two things that must count while work is done: counters and histograms. Everything
 * else is asked when it is scraped. Written out rather than taken from prom-client: it needs no more than this, and the
 * hot path is an increment of a field.
 */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Lines behind the name: suffix, labels, value. */
  readonly samples: () => readonly (Sample & { readonly suffix?: string })[];
}

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** Upper bounds, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.#counts[at]!++;
  }

  samples(): (Sample & { readonly suffix: string })[] {
    let below = 0;
    const buckets = this.#bounds.map((bound, at) => ({ suffix: '_bucket', labels: { le: String(bound) }, value: (below += this.#counts[at]!) }));
    return [
      ...buckets,
      { suffix: '_bucket', labels: { le: '+Inf' }, value: this.#count },
      { suffix: '_sum', value: this.#sum },
      { suffix: '_count', value: this.#count },
    ];
  }
}

export class Registry {
  readonly #families: Family[] = [];

  /** `samples` is asked at each scrape: a number, or one a set of labels. */
  add(type: 'counter' | 'gauge', name: string, help: string, samples: () => number | readonly Sample[]): void {
    this.#families.push({
      name,
      help,
      type,
      samples: () => {
        const answer = samples();
        return typeof answer === 'number' ? [{ value: answer }] : answer;
      },
    });
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new Histogram(bounds);
    this.addHistograms(name, help, () => [{ labels: {}, histogram }]);
    return histogram;
  }

  /** One a set of labels; which there are is asked at each scrape. */
  addHistograms(name: string, help: string, histograms: () => readonly { readonly labels: Labels; readonly histogram: Histogram }[]): void {
    const labelled = ({ labels, histogram }: { readonly labels: Labels; readonly histogram: Histogram }) =>
      histogram.samples().map((sample) => ({ ...sample, labels: { ...labels, ...sample.labels } }));
    this.#families.push({ name, help, type: 'histogram', samples: () => histograms().flatMap(labelled) });
  }

  text(): string {
    const lines = this.#families.flatMap(({ name, help, type, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples().map(({ suffix = '', labels, value }) => `${name}${suffix}${labelText(labels)} ${value}`),
    ]);
    return lines.join('\n') + '\n';
  }
}

function labelText(labels: Labels | undefined): string {
  if (labels === undefined || Object.keys(labels).length === 0) return '';
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`);
  return `{${pairs.join(',')}}`;
}
