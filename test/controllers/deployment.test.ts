/** The Deployment's plan against a model of the ReplicaSet controller that does things in any order and late. */
import { expect, test } from 'vitest';
import { conditionOf, type Deployment, type Pod, type ReplicaSet } from '../../src/client/objects.ts';
import { limitsOf, specReplicas } from '../../src/controllers/deployment/core/replica-sets.ts';
import { rescale } from '../../src/controllers/deployment/core/sizes.ts';
import { planDeployment, type DeploymentAction } from '../../src/controllers/deployment/plan.ts';
import { fc } from '../base/property.ts';

interface Shape {
  readonly replicas: number;
  readonly maxSurge: number | string;
  readonly maxUnavailable: number | string;
}

function deploymentOf(image: string, { replicas, maxSurge, maxUnavailable }: Shape): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', uid: 'd', generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
    },
  };
}

/** Sets with pods that are only numbers: how many there are and how many of them are available. */
class Model {
  deployment: Deployment;
  readonly sets = new Map<string, ReplicaSet>();
  readonly running = new Map<string, { pods: number; available: number }>();
  readonly broken = new Set<string>();
  #time = 0;

  constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  plan(): readonly DeploymentAction[] {
    const podsOf = (set: ReplicaSet) => Array<Pod>(this.running.get(set.metadata.name)?.pods ?? 0).fill({} as Pod);
    return planDeployment({ deployment: this.deployment, replicaSets: [...this.sets.values()], podsOf }, 0).actions;
  }

  apply(actions: readonly DeploymentAction[]): void {
    for (const action of actions) {
      if (action.kind === 'create') {
        const { metadata } = action.replicaSet;
        const creationTimestamp = new Date(1000 * this.#time++).toISOString();
        this.sets.set(metadata.name, { ...action.replicaSet, metadata: { ...metadata, uid: metadata.name, creationTimestamp } });
        this.running.set(metadata.name, { pods: 0, available: 0 });
        if (action.replicaSet.spec.template.spec.containers[0]!.image === 'bad') this.broken.add(metadata.name);
      } else if (action.kind === 'update') {
        const { replicaSet, replicas, annotations } = action;
        const { name } = replicaSet.metadata;
        const metadata = { ...replicaSet.metadata, annotations };
        this.sets.set(name, { ...this.sets.get(name)!, metadata, spec: { ...replicaSet.spec, replicas } });
      } else if (action.kind === 'delete') {
        this.sets.delete(action.replicaSet.metadata.name);
        this.running.delete(action.replicaSet.metadata.name);
      } else if (action.kind === 'set-revision') {
        const annotations = { 'deployment.kubernetes.io/revision': action.revision };
        this.deployment = { ...this.deployment, metadata: { ...this.deployment.metadata, annotations } };
      } else if (action.kind === 'set-status') this.deployment = { ...this.deployment, status: action.status };
    }
  }

  /** The set makes or deletes pods as its spec says; what is deleted is not available at first, if it can. */
  reconcile(name: string): void {
    const wanted = specReplicas(this.sets.get(name)!);
    const { pods, available } = this.running.get(name)!;
    this.running.set(name, { pods: wanted, available: Math.min(available, pods >= wanted ? wanted : available) });
  }

  becomeAvailable(name: string): void {
    const now = this.running.get(name)!;
    if (now.available < now.pods && !this.broken.has(name)) this.running.set(name, { ...now, available: now.available + 1 });
  }

  report(name: string): void {
    const { pods, available } = this.running.get(name)!;
    const set = this.sets.get(name)!;
    const status = { replicas: pods, readyReplicas: available, availableReplicas: available };
    this.sets.set(name, { ...set, status });
  }

  get pods(): number {
    return [...this.running.values()].reduce((sum, { pods }) => sum + pods, 0);
  }

  get available(): number {
    return [...this.running.values()].reduce((sum, { available }) => sum + available, 0);
  }

  settle(): void {
    for (let round = 0; round < 200; round++) {
      this.apply(this.plan());
      for (const name of this.sets.keys()) {
        this.reconcile(name);
        this.becomeAvailable(name);
        this.report(name);
      }
    }
  }
}

const size = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom('0%', '25%', '50%', '100%'));
const shape = fc.record({ replicas: fc.integer({ min: 1, max: 8 }), maxSurge: size, maxUnavailable: size });

test('a rolling update is never below its minimum nor above its maximum, whatever comes when', () => {
  const step = fc.record({ kind: fc.constantFrom('plan', 'reconcile', 'available', 'report'), set: fc.nat(3) });
  const images = fc.array(fc.constantFrom('v1', 'v2', 'v3', 'bad'), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(shape, images, fc.array(step, { maxLength: 120 }), (of, later, steps) => {
      const model = new Model(deploymentOf('v0', of));
      model.settle();
      const { replicas, maxSurge, maxUnavailable } = limitsOf(model.deployment);
      expect([model.pods, model.available]).toEqual([replicas, replicas]);
      const perImage = Math.ceil(steps.length / later.length);
      steps.forEach(({ kind, set }, index) => {
        const image = later[Math.floor(index / perImage)]!;
        model.deployment = { ...model.deployment, spec: deploymentOf(image, of).spec };
        const names = [...model.sets.keys()];
        const name = names[set % names.length]!;
        if (kind === 'plan') model.apply(model.plan());
        else if (kind === 'reconcile') model.reconcile(name);
        else if (kind === 'available') model.becomeAvailable(name);
        else model.report(name);
        expect(model.available).toBeGreaterThanOrEqual(replicas - maxUnavailable);
        const specs = [...model.sets.values()].reduce((sum, each) => sum + specReplicas(each), 0);
        expect(specs).toBeLessThanOrEqual(replicas + maxSurge);
      });
      // And it arrives.
      model.deployment = { ...model.deployment, spec: deploymentOf('last', of).spec };
      model.settle();
      expect([model.pods, model.available]).toEqual([replicas, replicas]);
      const living = [...model.sets.values()].filter((each) => specReplicas(each) > 0);
      expect(living.map((each) => each.spec.template.spec.containers[0]!.image)).toEqual(['last']);
      expect(conditionOf(model.deployment.status?.conditions, 'Progressing')?.reason).toBe('NewReplicaSetAvailable');
      expect(model.plan()).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('history past its limit is deleted, the oldest first', () => {
  const of = { replicas: 1, maxSurge: 1, maxUnavailable: 0 };
  const limited = (image: string): Deployment['spec'] => ({ ...deploymentOf(image, of).spec, revisionHistoryLimit: 2 });
  const model = new Model(deploymentOf('v0', of));
  for (let version = 0; version < 6; version++) {
    model.deployment = { ...model.deployment, spec: limited(`v${version}`) };
    model.settle();
  }
  const images = [...model.sets.values()].map((set) => set.spec.template.spec.containers[0]!.image);
  expect(images).toEqual(['v3', 'v4', 'v5']);
});

test('rescale() keeps the proportions and reaches the new size exactly', () => {
  const set = (name: string, replicas: number, max: number): ReplicaSet => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, annotations: { 'deployment.kubernetes.io/max-replicas': String(max) } },
    spec: { replicas, selector: {}, template: { spec: { containers: [] } } },
  });
  const before = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }));
  fc.assert(
    fc.property(before, fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5 }), ([a, b], replicas, maxSurge) => {
      const limits = { replicas, maxSurge, maxUnavailable: 1, isRolling: true };
      const sets = [set('old', a, a + b), set('new', b, a + b)];
      const sizes = rescale(sets[1], [sets[0]!], limits);
      const after = sets.map((each) => sizes.get(each.metadata.name) ?? specReplicas(each));
      expect(after.every((each) => each >= 0)).toBe(true);
      expect(after[0]! + after[1]!).toBe(replicas === 0 ? 0 : replicas + maxSurge);
    }),
  );
});

test('limitsOf() rounds surge up and unavailable down, and never lets both be nothing', () => {
  const limits = (replicas: number, maxSurge: string, maxUnavailable: string) => {
    const { maxSurge: surge, maxUnavailable: unavailable } = limitsOf(deploymentOf('v', { replicas, maxSurge, maxUnavailable }));
    return [surge, unavailable];
  };
  expect(limits(3, '25%', '25%')).toEqual([1, 0]);
  expect(limits(10, '25%', '25%')).toEqual([3, 2]);
  expect(limits(3, '0%', '0%')).toEqual([0, 1]);
});
