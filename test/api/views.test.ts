/** Events and autoscalers by both of their names: one stored object, read, watched and written as either. */
import { beforeEach, expect, test } from 'vitest';
import type { Registry } from '../../src/api/registry.ts';
import type { Ref } from '../../src/api/requests.ts';
import { newEvents, olderAutoscalers } from '../../src/api/kinds/views.ts';
import { ref, refusal, startServer, take } from './fixture.ts';

let api: Registry;
beforeEach(async () => {
  ({ api } = await startServer());
});

const newRef = (name = ''): Ref => ({ group: 'events.k8s.io', version: 'v1', resource: 'events', namespace: 'default', name, subresource: '' });
const hpa = (version: string, name = '', subresource = ''): Ref => ({ group: 'autoscaling', version, resource: 'horizontalpodautoscalers', namespace: 'default', name, subresource });

const coreEvent = (name: string, fields: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name },
  involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
  reason: 'Started',
  message: 'it runs',
  type: 'Normal',
  count: 3,
  firstTimestamp: '2024-01-01T00:00:00Z',
  source: { component: 'agent' },
  reportingComponent: 'agent',
  ...fields,
});
const newEvent = (name: string, fields: object = {}) => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name },
  regarding: { kind: 'Pod', name: 'q', namespace: 'default' },
  reason: 'Bound',
  action: 'Binding',
  note: 'to a node',
  type: 'Normal',
  eventTime: '2024-01-01T00:00:00.000000Z',
  reportingController: 'scheduler',
  reportingInstance: 's-1',
  ...fields,
});

test('an event is told by its old names and read by its new ones, and the other way round', async () => {
  await api.create(ref('events'), coreEvent('a'));
  expect(await api.get(newRef('a'))).toMatchObject({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    regarding: { kind: 'Pod', name: 'p' },
    note: 'it runs',
    deprecatedCount: 3,
    deprecatedFirstTimestamp: '2024-01-01T00:00:00Z',
    deprecatedSource: { component: 'agent' },
    reportingController: 'agent',
  });
  const { object } = await api.create(newRef(), newEvent('b'));
  expect(object).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'to a node', metadata: { namespace: 'default' } });
  const stored = await api.get(ref('events', 'b'));
  expect(stored).toMatchObject({ apiVersion: 'v1', message: 'to a node', involvedObject: { name: 'q' }, reportingComponent: 'scheduler' });
  expect(stored['note']).toBeUndefined();
  expect(stored.metadata.resourceVersion).toBe(object.metadata.resourceVersion);
});

test('lists, selectors, pages and tables are those of the view', async () => {
  await api.create(ref('events'), coreEvent('a'));
  await api.create(newRef(), newEvent('b'));
  for (const resourceVersion of ['', '0']) {
    const listed = await api.list(newRef(), { fieldSelector: 'regarding.name=q', resourceVersion });
    expect(listed.items).toMatchObject([{ apiVersion: 'events.k8s.io/v1', note: 'to a node' }]);
  }
  const first = await api.list(newRef(), { limit: 1 });
  const second = await api.list(newRef(), { limit: 1, continue: first.continue });
  expect([...first.items, ...second.items].map((event) => event['note'])).toEqual(['it runs', 'to a node']);
  expect(await refusal(api.list(newRef(), { fieldSelector: 'involvedObject.name=q' }))).toBe('400 BadRequest: field label not supported: involvedObject.name');
  const { rows } = await api.table(newRef(), { fieldSelector: 'reason=Bound' });
  expect(rows.map(({ cells }) => cells.slice(1, 4))).toEqual([['Normal', 'Bound', 'pod/q']]);
});

test('a watch of the view shows what is written by either name', async () => {
  await api.create(ref('events'), coreEvent('a'));
  const signal = new AbortController();
  const events = await api.watch(newRef(), { fieldSelector: 'type=Normal', signal: signal.signal });
  const seen: unknown[] = [];
  const watching = (async () => {
    for await (const batch of events) {
      for (const event of batch) {
        if (event.type === 'BOOKMARK') continue;
        const { object } = event.cached;
        expect(JSON.parse(Buffer.from(event.cached.json()).toString())).toEqual(object);
        seen.push([event.type, object.apiVersion, object['note']]);
      }
      if (seen.length >= 3) break;
    }
  })();
  await api.create(newRef(), newEvent('b'));
  await api.patch(ref('events', 'a'), { type: 'merge', body: { message: 'it still runs' } });
  await watching;
  signal.abort();
  expect(seen).toEqual([['ADDED', 'events.k8s.io/v1', 'it runs'], ['ADDED', 'events.k8s.io/v1', 'to a node'], ['MODIFIED', 'events.k8s.io/v1', 'it still runs']]);
});

test('a patch and a deletion by the new name change the one object', async () => {
  await api.create(ref('events'), coreEvent('a'));
  const watch = await api.watch(ref('events'), { signal: new AbortController().signal });
  const { object } = await api.patch(newRef('a'), { type: 'merge', body: { note: 'changed', series: { count: 5, lastObservedTime: '2024-01-01T00:00:01.000000Z' } } });
  expect(object).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'changed', deprecatedCount: 3, series: { count: 5 } });
  expect(await api.get(ref('events', 'a'))).toMatchObject({ message: 'changed', count: 3, series: { count: 5 } });
  expect((await api.delete(newRef('a'))).apiVersion).toBe('events.k8s.io/v1');
  expect(await refusal(api.get(ref('events', 'a')))).toBe('404 NotFound: events "a" not found');
  expect(await take(watch, 3)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
});

test.each<[string, object, RegExp]>([
  ['no time', { eventTime: undefined }, /^422 Invalid: Event\.events\.k8s\.io "b" is invalid: eventTime: Required value$/],
  ['another type', { type: 'Odd' }, /type: Unsupported value: "Odd": supported values: "Normal", "Warning"/],
  ['an unknown field', { message: 'x' }, /strict decoding error: unknown field "message"/],
  ['another namespace', { regarding: { kind: 'Pod', name: 'q', namespace: 'other' } }, /does not match event.namespace/],
])('a new event with %s is refused', async (_what, fields, message) => {
  expect(await refusal(api.create(newRef(), newEvent('b', fields)))).toMatch(message);
});

const memory = { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } };
const cpu = (averageUtilization: number) => ({ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } });
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };

test('an autoscaler that is written by the older version loses nothing of the newer', async () => {
  const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } };
  const body = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { scaleTargetRef, maxReplicas: 5, metrics: [memory, cpu(70)], behavior } };
  await api.create(hpa('v2'), body);
  const shown = await api.get(hpa('v1', 'h'));
  expect(shown).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { maxReplicas: 5, minReplicas: 1, targetCPUUtilizationPercentage: 70 } });
  expect(Object.keys(shown['spec'] as object).sort()).toEqual(['maxReplicas', 'minReplicas', 'scaleTargetRef', 'targetCPUUtilizationPercentage']);
  await api.update(hpa('v1', 'h'), { ...shown, spec: { ...(shown['spec'] as object), targetCPUUtilizationPercentage: 50, maxReplicas: 9 } });
  const stored = await api.get(hpa('v2', 'h'));
  expect(stored['spec']).toMatchObject({ maxReplicas: 9, metrics: [cpu(50), memory], behavior });
  expect(stored.metadata.annotations).toBeUndefined();
});

test('an autoscaler of the older version: create, apply, status and the table', async () => {
  const body = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 60 } };
  await api.create(hpa('v1'), body);
  expect((await api.get(hpa('v2', 'h')))['spec']).toMatchObject({ minReplicas: 1, metrics: [cpu(60)] });
  const applied = await api.apply(hpa('v1', 'h'), { ...body, spec: { ...body.spec, maxReplicas: 6 } }, { fieldManager: 'me', force: true });
  expect(applied.object).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { maxReplicas: 6 } });
  const { object } = await api.patch(hpa('v1', 'h', 'status'), { type: 'merge', body: { status: { currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 12 } } });
  expect(object['status']).toMatchObject({ currentReplicas: 2, desiredReplicas: 3 });
  const { rows } = await api.table(hpa('v1'));
  expect(rows[0]!.cells.slice(0, 6)).toEqual(['h', 'Deployment/web', 'cpu: 12%/60%', '1', 6, 2]);
});

test('what is shown is stored as it was', () => {
  const event = coreEvent('a') as unknown as Parameters<NonNullable<typeof newEvents.view>['show']>[0];
  expect(newEvents.view!.store(newEvents.view!.show(event))).toEqual(event);
  const autoscaler = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { scaleTargetRef, maxReplicas: 2, metrics: [cpu(1), memory] }, status: { currentReplicas: 1, conditions: [{ type: 'AbleToScale', status: 'True' }] } };
  expect(olderAutoscalers.view!.store(olderAutoscalers.view!.show(autoscaler))).toEqual(autoscaler);
});
