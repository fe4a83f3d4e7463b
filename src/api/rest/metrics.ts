/** What the API server tells Prometheus, by kube-apiserver's names: counted at each request, asked at each scrape. */
import type { Clock } from '../../base/clock.ts';
import { addProcessMetrics } from '../../base/process-metrics.ts';
import { Histogram, Registry, type Labels, type Sample } from '../../base/prometheus.ts';

export interface RequestLabels {
  /** Kubernetes' verbs, in capitals. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
}

/** kube-apiserver's, thinned: each is a line a resource and verb. */
const SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 4, 8, 15, 30, 60];
/** Labels come from paths, which anybody who is known may ask for: past it a path counts as `other`. */
const SERIES_MAX = 2_000;

interface Series {
  readonly labels: Labels;
  readonly codes: Map<number, number>;
  readonly seconds: Histogram;
}

export class RestMetrics {
  readonly registry = new Registry();
  readonly #series = new Map<string, Series>();
  readonly #clock: Clock;

  constructor(clock: Clock, gauges: { readonly mutating: () => number; readonly readOnly: () => number; readonly longRunning: () => number }) {
    this.#clock = clock;
    const { registry } = this;
    registry.add('counter', 'apiserver_request_total', 'Counter of apiserver requests broken out for each verb, group, version, resource, scope and HTTP response code.', () =>
      [...this.#series.values()].flatMap(({ labels, codes }) => [...codes].map(([code, value]): Sample => ({ labels: { ...labels, code: String(code) }, value }))),
    );
    registry.addHistograms('apiserver_request_duration_seconds', 'Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.', () => [...this.#series.values()].map(({ labels, seconds }) => ({ labels, histogram: seconds })));
    registry.add('gauge', 'apiserver_current_inflight_requests', 'Number of requests that are at work, by kind of request.', () => [
      { labels: { request_kind: 'mutating' }, value: gauges.mutating() },
      { labels: { request_kind: 'readOnly' }, value: gauges.readOnly() },
    ]);
    registry.add('gauge', 'apiserver_longrunning_requests', 'Number of open watches and followed logs.', () => gauges.longRunning());
    addProcessMetrics(registry, clock.wall());
  }

  /** Answers what is to be called with the code when the request is over. */
  begin(request: RequestLabels, isLongRunning: boolean): (code: number) => void {
    const startedAt = this.#clock.monotonic();
    return (code) => {
      const series = this.#seriesOf(request);
      series.codes.set(code, (series.codes.get(code) ?? 0) + 1);
      if (!isLongRunning) series.seconds.observe((this.#clock.monotonic() - startedAt) / 1000);
    };
  }

  #seriesOf(request: RequestLabels): Series {
    const key = Object.values(request).join('\n');
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX) return this.#seriesOf({ verb: 'other', group: '', version: '', resource: '', subresource: '', scope: '' });
    const series: Series = { labels: { ...request }, codes: new Map(), seconds: new Histogram(SECONDS) };
    this.#series.set(key, series);
    return series;
  }
}
