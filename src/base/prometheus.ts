/**
 * Prometheus' text format, and what must count while work is done: histograms. Everything else is asked when it is
 * scraped. Written out rather than taken from prom-client: it needs no more than this, and the hot path is an increment
 * of a field.
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
  readonly samples: () => Promise<readonly Line[]>;
}

type Line = Sample & { readonly suffix?: string };
type Answer = number | readonly Sample[];

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
  add(type: 'counter' | 'gauge', name: string, help: string, samples: () => Answer | Promise<Answer>): void {
    this.#families.push({
      name,
      help,
      type,
      samples: async () => {
        const answer = await samples();
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
    this.#families.push({ name, help, type: 'histogram', samples: async () => histograms().flatMap(labelled) });
  }

  async text(): Promise<string> {
    const families = await Promise.all(this.#families.map(async (family) => textOf(family, await family.samples())));
    return families.join('');
  }
}

function textOf({ name, help, type }: Family, samples: readonly Line[]): string {
  const lines = samples.map(({ suffix = '', labels, value }) => `${name}${suffix}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels | undefined): string {
  if (labels === undefined || Object.keys(labels).length === 0) return '';
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`);
  return `{${pairs.join(',')}}`;
}
