import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import type { Node, Pod, PodSpec, Taint } from '../../src/client/objects.ts';
import { schedule } from '../../src/scheduler/core/schedule.ts';
import { SchedulingQueue } from '../../src/scheduler/core/scheduling-queue.ts';
import { ClusterState, podInfo } from '../../src/scheduler/core/snapshot.ts';
import { fc } from '../base/property.ts';

interface NodeLike {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly labels?: Record<string, string>;
  readonly taints?: readonly Taint[];
  readonly unschedulable?: boolean;
}

function nodeOf(name: string, like: NodeLike = {}): Node {
  const { cpu = '4', memory = '8Gi', pods = '10', labels = {}, taints = [], unschedulable = false } = like;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { taints, unschedulable },
    status: { allocatable: { cpu, memory, pods } },
  };
}

function podOf(name: string, cpu = '100m', more: Partial<PodSpec> = {}, owner?: string): Pod {
  const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: owner ?? '', controller: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...(owner === undefined ? {} : { ownerReferences: [reference] }) },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...more },
  };
}

function stateOf(nodes: readonly Node[], placed: readonly Pod[] = []): ClusterState {
  const state = new ClusterState();
  for (const node of nodes) state.setNode(node);
  for (const pod of placed) state.setPod(pod);
  return state;
}

function decide(state: ClusterState, pod: Pod, seed = 1) {
  return schedule(podInfo(pod), state.snapshot(), seededRandom(seed));
}

function whyNot(nodes: readonly Node[], pod: Pod, placed: readonly Pod[] = []): string {
  const decision = decide(stateOf(nodes, placed), pod);
  return decision.kind === 'unschedulable' ? decision.message : `placed on ${decision.nodeName}`;
}

const hostPort = (port: number, hostIP = ''): Partial<PodSpec> => ({
  containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: port, hostIP }] }],
});
const requires = (key: string, operator: string, values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
      },
    },
  },
});

test.each<[string, NodeLike, Pod, string]>([
  ['resources', { cpu: '1' }, podOf('p', '1500m'), '0/1 nodes are available: 1 Insufficient cpu.'],
  ['a resource that the node does not have', {}, podOf('p', '0', { overhead: { 'x.io/gpu': '1' } }), '0/1 nodes are available: 1 Insufficient x.io/gpu.'],
  ['too many pods', { pods: '0' }, podOf('p'), '0/1 nodes are available: 1 Too many pods.'],
  ['cordon', { unschedulable: true }, podOf('p'), '0/1 nodes are available: 1 node(s) were unschedulable.'],
  ['node name', {}, podOf('p', '1', { nodeName: 'other' }), "0/1 nodes are available: 1 node(s) didn't match the requested node name."],
  ['node selector', { labels: { disk: 'hdd' } }, podOf('p', '1', { nodeSelector: { disk: 'ssd' } }), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
  ['node affinity', { labels: { zone: 'a' } }, podOf('p', '1', requires('zone', 'NotIn', ['a'])), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
  ['taint', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }, podOf('p'), '0/1 nodes are available: 1 node(s) had untolerated taint {k: v}.'],
  ['tolerated taint', { taints: [{ key: 'k', effect: 'NoExecute' }] }, podOf('p', '1', { tolerations: [{ key: 'k', operator: 'Exists' }] }), 'placed on n'],
  ['a soft taint does not refuse', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] }, podOf('p'), 'placed on n'],
  ['node affinity that matches', { labels: { zone: 'a' } }, podOf('p', '1', requires('zone', 'In', ['a', 'b'])), 'placed on n'],
])('a filter names its reason: %s', (_, node, pod, text) => {
  expect(whyNot([nodeOf('n', node)], pod)).toBe(text);
});

test('host ports clash on the same address, or on all of them', () => {
  const taken = (spec: Partial<PodSpec>) => podOf('old', '1', { ...spec, nodeName: 'n' });
  const clash = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
  const nodes = [nodeOf('n')];
  expect(whyNot(nodes, podOf('p', '1', hostPort(80)), [taken(hostPort(80))])).toBe(clash);
  expect(whyNot(nodes, podOf('p', '1', hostPort(80, '10.0.0.1')), [taken(hostPort(80))])).toBe(clash);
  expect(whyNot(nodes, podOf('p', '1', hostPort(80, '10.0.0.1')), [taken(hostPort(80, '10.0.0.2'))])).toBe('placed on n');
  expect(whyNot(nodes, podOf('p', '1', hostPort(81)), [taken(hostPort(80))])).toBe('placed on n');
});

test('reasons are counted over the nodes, in order', () => {
  const nodes = [nodeOf('a', { cpu: '1' }), nodeOf('b', { unschedulable: true }), nodeOf('c', { cpu: '1' })];
  expect(whyNot(nodes, podOf('p', '2'))).toBe('0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.');
  expect(whyNot([], podOf('p'))).toBe('no nodes available to schedule pods');
});

test('init containers count by the largest, sidecars beside the others', () => {
  const container = (cpu: string, restartPolicy?: string) => ({
    name: 'c',
    image: 'i',
    resources: { requests: { cpu } },
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
  });
  const cpuOf = (spec: PodSpec) => podInfo({ ...podOf('p'), spec }).requests.get('cpu');
  expect(cpuOf({ containers: [container('1'), container('500m')], initContainers: [container('2')] })).toBe(2000);
  expect(cpuOf({ containers: [container('1')], initContainers: [container('1', 'Always'), container('1500m')] })).toBe(2500);
});

test('the emptier node, the balanced one, the one with fewer siblings', () => {
  const busy = podOf('busy', '3', { nodeName: 'a' });
  expect(whyNot([nodeOf('a'), nodeOf('b')], podOf('p'), [busy])).toBe('placed on b');
  const sibling = podOf('s', '100m', { nodeName: 'b' }, 'rs');
  expect(whyNot([nodeOf('a'), nodeOf('b')], podOf('p', '100m', {}, 'rs'), [sibling])).toBe('placed on a');
  const soft = nodeOf('a', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] });
  expect(whyNot([soft, nodeOf('b', { cpu: '2' })], podOf('p'))).toBe('placed on b');
});

test('ties are broken by the seed, and the same seed breaks them alike', () => {
  const state = stateOf([nodeOf('a'), nodeOf('b'), nodeOf('c')]);
  const chosen = (seed: number) => {
    const decision = decide(state, podOf('p'), seed);
    return decision.kind === 'placed' ? decision.nodeName : '';
  };
  expect(new Set(Array.from({ length: 30 }, (_, seed) => chosen(seed)))).toEqual(new Set(['a', 'b', 'c']));
  for (let seed = 0; seed < 10; seed++) expect(chosen(seed)).toBe(chosen(seed));
});

test('no node is ever given more than it has, and room that is refused is really not there', () => {
  const nodes = fc.array(fc.record({ cpu: fc.integer({ min: 1, max: 8 }), pods: fc.integer({ min: 1, max: 6 }) }), {
    minLength: 1,
    maxLength: 4,
  });
  const event = fc.record({ kind: fc.constantFrom('new', 'new', 'gone', 'fail'), milli: fc.integer({ min: 0, max: 8 }).map((halves) => halves * 500), which: fc.nat(20) });
  fc.assert(
    fc.property(nodes, fc.array(event, { maxLength: 60 }), (shapes, events) => {
      const state = stateOf(shapes.map(({ cpu, pods }, index) => nodeOf(`n${index}`, { cpu: String(cpu), pods: String(pods) })));
      const placed = new Map<string, { node: number; milli: number }>();
      const used = (node: number) => {
        const on = [...placed.values()].filter((each) => each.node === node);
        return { milli: on.reduce((sum, { milli }) => sum + milli, 0), pods: on.length };
      };
      const random = seededRandom(7);
      events.forEach(({ kind, milli, which }, index) => {
        const keys = [...placed.keys()];
        const key = keys[which % Math.max(1, keys.length)];
        if (kind === 'gone' && key !== undefined) {
          state.removePod(key);
          placed.delete(key);
        } else if (kind === 'fail' && key !== undefined && state.isAssumed(key)) {
          state.forget(key);
          placed.delete(key);
        } else if (kind === 'new') {
          const pod = podOf(`p${index}`, `${milli}m`);
          const info = podInfo(pod);
          const decision = schedule(info, state.snapshot(), random);
          if (decision.kind === 'placed') {
            state.assume(info, decision.nodeName);
            placed.set(info.key, { node: Number(decision.nodeName.slice(1)), milli });
            if (index % 2 === 0) state.setPod({ ...pod, spec: { ...pod.spec, nodeName: decision.nodeName } });
          } else {
            shapes.forEach(({ cpu, pods }, node) => {
              const fits = used(node).milli + milli <= cpu * 1000 && used(node).pods + 1 <= pods;
              expect(fits).toBe(false);
            });
          }
        }
        shapes.forEach(({ cpu, pods }, node) => {
          expect(used(node).milli).toBeLessThanOrEqual(cpu * 1000);
          expect(used(node).pods).toBeLessThanOrEqual(pods);
        });
      });
    }),
    { numRuns: 200 },
  );
});

test('a node that appears after its pods knows them', () => {
  const state = new ClusterState();
  state.setPod(podOf('old', '3', { nodeName: 'n' }));
  state.setNode(nodeOf('n'));
  expect(decide(state, podOf('p', '2')).kind).toBe('unschedulable');
  state.setPod({ ...podOf('old', '3', { nodeName: 'n' }), status: { phase: 'Succeeded' } });
  expect(decide(state, podOf('p', '2')).kind).toBe('placed');
});

test('SchedulingQueue the highest priority first, then in order; parked ones wait for a change and their back-off', () => {
  const queue = new SchedulingQueue();
  queue.add('a', 0);
  queue.add('b', 10);
  queue.add('c', 0);
  expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual(['b', 'a', 'c', undefined]);
  queue.park('a', 0, 0);
  queue.promote(60_000);
  expect(queue.take()).toBeUndefined();
  queue.unpark(500);
  expect(queue.take()).toBeUndefined();
  expect(queue.nextDeadline()).toBe(1_000);
  queue.promote(1_000);
  expect(queue.take()).toBe('a');
  queue.retry('a', 0, 1_000);
  expect(queue.nextDeadline()).toBe(3_000);
  queue.remove('a');
  expect(queue.nextDeadline()).toBeUndefined();
  queue.park('d', 0, 0);
  expect(queue.nextDeadline()).toBe(300_000);
});
