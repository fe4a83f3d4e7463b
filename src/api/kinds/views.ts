/** Kinds that show the objects of another: events by the newer names of their fields, autoscalers by the older ones. */
import { type FieldError, notSupported, required } from '../../kube/errors.ts';
import { isRecord, type KubeObject } from '../../kube/types.ts';
import { checkPathSegment } from '../../kube/names.ts';
import { infoOf } from './info.ts';
import { textAt, type Kind } from './kind.ts';
import { events } from './plain.ts';
import { horizontalPodAutoscalers } from './policy.ts';

// --- events.k8s.io/v1

const EVENT_FIELDS: Readonly<Record<string, string>> = {
  involvedObject: 'regarding',
  message: 'note',
  reportingComponent: 'reportingController',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
};
const STORED_EVENT_FIELDS = Object.fromEntries(Object.entries(EVENT_FIELDS).map(([stored, shown]) => [shown, stored]));

function renamed(object: KubeObject, names: Readonly<Record<string, string>>, apiVersion: string): KubeObject {
  const { metadata, kind, apiVersion: _old, ...fields } = object;
  const others = Object.entries(fields).map(([name, value]) => [names[name] ?? name, value]);
  return { apiVersion, kind, metadata, ...(Object.fromEntries(others) as Record<string, unknown>) };
}

const showEvent = (stored: KubeObject): KubeObject => renamed(stored, EVENT_FIELDS, 'events.k8s.io/v1');
const storeEvent = (shown: KubeObject): KubeObject => ({ involvedObject: {}, ...renamed(shown, STORED_EVENT_FIELDS, 'v1') });

const regarding = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

export const newEvents: Kind = {
  info: { ...infoOf('events'), group: 'events.k8s.io' },
  model: 'EventsV1Event',
  view: { of: { group: '', version: 'v1', resource: 'events' }, show: showEvent, store: storeEvent },
  subresources: [],
  hasGeneration: false,
  checkName: checkPathSegment,
  // Of new ones: what is told by the older names need not have these.
  validate: (event): FieldError[] => [
    ...['eventTime', 'reportingController', 'reportingInstance', 'action', 'reason'].filter((field) => textAt(event, field) === '').map((field) => required(field)),
    ...(['Normal', 'Warning'].includes(textAt(event, 'type')) ? [] : [notSupported('type', textAt(event, 'type'), ['Normal', 'Warning'])]),
  ],
  selectableFields: {
    ...Object.fromEntries(regarding.map((field) => [`regarding.${field}`, (event: KubeObject) => textAt(event, 'regarding', field)])),
    reason: (event) => textAt(event, 'reason'),
    reportingController: (event) => textAt(event, 'reportingController'),
    type: (event) => textAt(event, 'type'),
  },
  columns: events.columns.map((one) => ({ ...one, value: (event, wallMs) => one.value(storeEvent(event), wallMs) })),
  hasAgeColumn: false,
};

// --- autoscaling/v1

/** What the older version has no fields for stands in annotations, so that who writes by it takes nothing away. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const CURRENT_METRICS = 'autoscaling.alpha.kubernetes.io/current-metrics';
const KEPT = [METRICS, BEHAVIOR, CONDITIONS, CURRENT_METRICS];

type Fields = Record<string, unknown>;

const recordAt = (object: unknown, field: string): Fields => {
  const value = isRecord(object) ? object[field] : undefined;
  return isRecord(value) ? value : {};
};
const listAt = (object: Fields, field: string): readonly unknown[] => (Array.isArray(object[field]) ? object[field] : []);
const without = (fields: Fields, ...names: readonly string[]): Fields => Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));

/** The share of the cpu that a metric asks for or shows; undefined: it is another metric. */
function cpuUtilization(metric: unknown, part: 'target' | 'current'): number | undefined {
  const resource = recordAt(metric, 'resource');
  const share = recordAt(resource, part)['averageUtilization'];
  return resource['name'] === 'cpu' && typeof share === 'number' ? share : undefined;
}

function showAutoscaler(stored: KubeObject): KubeObject {
  const [spec, status] = [recordAt(stored, 'spec'), recordAt(stored, 'status')];
  const [metrics, current] = [listAt(spec, 'metrics'), listAt(status, 'currentMetrics')];
  const target = metrics.find((metric) => cpuUtilization(metric, 'target') !== undefined);
  const shown = current.find((metric) => cpuUtilization(metric, 'current') !== undefined);
  const others = metrics.filter((metric) => metric !== target);
  const kept: Record<string, string> = {
    ...(others.length === 0 ? {} : { [METRICS]: JSON.stringify(others) }),
    ...(spec['behavior'] === undefined ? {} : { [BEHAVIOR]: JSON.stringify(spec['behavior']) }),
    ...(listAt(status, 'conditions').length === 0 ? {} : { [CONDITIONS]: JSON.stringify(status['conditions']) }),
    ...(current.length === 0 ? {} : { [CURRENT_METRICS]: JSON.stringify(current) }),
  };
  const annotations = { ...stored.metadata.annotations, ...kept };
  const targetShare = cpuUtilization(target, 'target');
  const currentShare = cpuUtilization(shown, 'current');
  return {
    ...stored,
    apiVersion: 'autoscaling/v1',
    metadata: { ...stored.metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: { ...without(spec, 'metrics', 'behavior'), ...(targetShare === undefined ? {} : { targetCPUUtilizationPercentage: targetShare }) },
    status: { currentReplicas: 0, ...without(status, 'conditions', 'currentMetrics'), ...(currentShare === undefined ? {} : { currentCPUUtilizationPercentage: currentShare }) },
  };
}

function storeAutoscaler(shown: KubeObject): KubeObject {
  const { annotations = {}, ...metadata } = shown.metadata;
  const kept = (name: string): unknown => parsed(annotations[name]);
  const [spec, status] = [recordAt(shown, 'spec'), recordAt(shown, 'status')];
  const share = spec['targetCPUUtilizationPercentage'];
  const target = share === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: share } } }];
  const others = kept(METRICS);
  const metrics = [...target, ...(Array.isArray(others) ? (others as unknown[]) : [])];
  const usage = status['currentCPUUtilizationPercentage'];
  const measured = usage === undefined ? undefined : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: usage } } }];
  const [behavior, conditions, current] = [kept(BEHAVIOR), kept(CONDITIONS), kept(CURRENT_METRICS) ?? measured];
  const left = without(annotations, ...KEPT) as Record<string, string>; // some of them
  return {
    ...shown,
    apiVersion: 'autoscaling/v2',
    metadata: { ...metadata, ...(Object.keys(left).length === 0 ? {} : { annotations: left }) },
    spec: {
      ...without(spec, 'targetCPUUtilizationPercentage'),
      ...(metrics.length === 0 ? {} : { metrics }),
      ...(behavior === undefined ? {} : { behavior }),
    },
    ...(shown['status'] === undefined
      ? {}
      : {
          status: {
            ...without(status, 'currentCPUUtilizationPercentage'),
            ...(conditions === undefined ? {} : { conditions }),
            ...(current === undefined ? {} : { currentMetrics: current }),
          },
        }),
  };
}

/** What is not JSON was not written here. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const olderAutoscalers: Kind = {
  info: { ...infoOf('horizontalpodautoscalers'), version: 'v1' },
  model: 'V1HorizontalPodAutoscaler',
  view: { of: { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers' }, show: showAutoscaler, store: storeAutoscaler },
  subresources: horizontalPodAutoscalers.subresources,
  hasGeneration: horizontalPodAutoscalers.hasGeneration,
  checkName: horizontalPodAutoscalers.checkName,
  selectableFields: {},
  columns: horizontalPodAutoscalers.columns.map((one) => ({ ...one, value: (object, wallMs) => one.value(storeAutoscaler(object), wallMs) })),
};
