/** What the API server tells Prometheus, by kube-apiserver's names: counted at each request, asked at each scrape. */
import type { Clock } from '../../base/clock.ts';
import { addProcessMetrics } from '../../base/process-metrics.ts';
import { Histogram, Registry, type Labels, type Sample } from '../../base/prometheus.ts';
import { qualifiedResource, type ResourceInfo } from '../../kube/resources.ts';
import type { CacheFigures } from '../watch-cache.ts';

export interface RequestLabels {
  /** Kubernetes' verbs, in capitals. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
  /** `All`, or nothing. */
  readonly dry_run: string;
}

/** What is asked at a scrape. */
export interface MetricsSources {
  readonly clock: Clock;
  readonly mutating: () => number;
  readonly readOnly: () => number;
  readonly caches: () => readonly { readonly kind: { readonly info: ResourceInfo }; readonly figures: CacheFigures }[];
  /** As `/version` has it. */
  readonly version: { readonly major: string; readonly minor: string; readonly gitVersion: string; readonly platform: string };
}

/** kube-apiserver's, thinned: each is a line a resource and verb. */
const SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 4, 8, 15, 30, 60];
/** Labels come from paths, which anybody who is known may ask for: past it a path counts as `other`. */
const SERIES_MAX = 2_000;
/** Other servers of a cluster have metrics of these names, too. */
const COMPONENT = 'apiserver';

interface Series {
  readonly labels: Labels;
  readonly codes: Map<number, number>;
  readonly seconds: Histogram;
  /** Watches and followed logs; undefined: there has been none. */
  open: number | undefined;
}

export class RestMetrics {
  readonly registry = new Registry();
  readonly #series = new Map<string, Series>();
  readonly #clock: Clock;

  constructor(sources: MetricsSources) {
    this.#clock = sources.clock;
    this.#addRequests(sources);
    this.#addCaches(sources);
    const { major, minor, gitVersion, platform } = sources.version;
    const build = { major, minor, git_version: gitVersion, platform };
    this.registry.add('gauge', 'kubernetes_build_info', 'A constant 1, labelled by what this server is.', () => [{ labels: build, value: 1 }]);
    addProcessMetrics(this.registry, sources.clock.wall());
  }

  #addRequests({ mutating, readOnly }: MetricsSources): void {
    const { registry } = this;
    registry.add('counter', 'apiserver_request_total', 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.', () =>
      [...this.#series.values()].flatMap(({ labels, codes }) => [...codes].map(([code, value]): Sample => ({ labels: { ...labels, code: String(code) }, value }))),
    );
    registry.addHistograms('apiserver_request_duration_seconds', 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.', () =>
      [...this.#series.values()].filter(({ open }) => open === undefined).map(({ labels, seconds }) => ({ labels, histogram: seconds })),
    );
    registry.add('gauge', 'apiserver_current_inflight_requests', 'Number of requests that are at work, by kind of request.', () => [
      { labels: { request_kind: 'mutating' }, value: mutating() },
      { labels: { request_kind: 'readOnly' }, value: readOnly() },
    ]);
    registry.add('gauge', 'apiserver_longrunning_requests', 'Open watches and followed logs for each verb, group, version, resource, subresource, scope and component.', () =>
      [...this.#series.values()].flatMap(({ labels, open }): Sample[] => {
        const { dry_run: _, ...rest } = labels;
        return open === undefined ? [] : [{ labels: rest, value: open }];
      }),
    );
  }

  #addCaches({ caches }: MetricsSources): void {
    const each = (valueOf: (figures: CacheFigures) => number) => () =>
      caches().map(({ kind: { info }, figures }): Sample => ({ labels: { group: info.group, resource: info.resource }, value: valueOf(figures) }));
    const { registry } = this;
    registry.add('gauge', 'apiserver_storage_objects', 'Number of stored objects, of the resources that this server has been asked for.', () =>
      caches().map(({ kind: { info }, figures }): Sample => ({ labels: { resource: qualifiedResource(info) }, value: figures.objects })),
    );
    registry.add('gauge', 'apiserver_registered_watchers', 'Number of watchers of this server, through either face.', () =>
      caches().map(({ kind: { info }, figures }): Sample => ({ labels: { group: info.group, version: info.version, kind: info.kind }, value: figures.watchers })),
    );
    registry.add('gauge', 'apiserver_watch_cache_resource_version', 'How far the watch cache has seen.', each(({ revision }) => revision));
    registry.add('counter', 'apiserver_watch_cache_events_received_total', 'Events that came from the store.', each(({ received }) => received));
    registry.add('counter', 'apiserver_watch_cache_events_dispatched_total', 'Events that went to watchers.', each(({ dispatched }) => dispatched));
    registry.add('counter', 'apiserver_watch_cache_initializations_total', 'How often the watch cache was filled.', each(({ fills }) => fills));
    registry.add('counter', 'apiserver_terminated_watchers_total', 'Watchers that were too slow and were let go.', each(({ slowWatchers }) => slowWatchers));
  }

  /** Answers what is to be called with the code when the request is over. */
  begin(request: RequestLabels, isLongRunning: boolean): (code: number) => void {
    const startedAt = this.#clock.monotonic();
    const series = this.#seriesOf(request);
    if (isLongRunning) series.open = (series.open ?? 0) + 1;
    return (code) => {
      series.codes.set(code, (series.codes.get(code) ?? 0) + 1);
      if (isLongRunning) series.open = (series.open ?? 1) - 1;
      else series.seconds.observe((this.#clock.monotonic() - startedAt) / 1000);
    };
  }

  #seriesOf(request: RequestLabels): Series {
    const key = Object.values(request).join('\n');
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX) return this.#seriesOf({ verb: 'other', group: '', version: '', resource: '', subresource: '', scope: '', dry_run: '' });
    const series: Series = { labels: { ...request, component: COMPONENT }, codes: new Map(), seconds: new Histogram(SECONDS), open: undefined };
    this.#series.set(key, series);
    return series;
  }
}
