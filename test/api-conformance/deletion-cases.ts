/** Deleting: preconditions, finalizers, grace, what becomes of dependents, many at once, whole namespaces. */
import { expect } from 'vitest';
import { Refused, refusal, refusedWith, type Doc } from './api.ts';
import { configMap, deployment, pod } from './manifests.ts';
import type { Case, Subject } from './subject.ts';

const UID = '11111111-1111-1111-1111-111111111111';
const isGone = async (run: Promise<Doc>) => {
  try {
    await run;
    return false;
  } catch (error) {
    if (error instanceof Refused) return error.status.code === 404;
    throw error;
  }
};
const namesOf = async ({ api, at }: Subject, resource: string) => (await api.list(at(resource))).items.map(({ metadata }) => metadata.name);

export const deletionCases: readonly Case[] = [
  {
    name: 'delete: takes it away at once, once',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      await api.delete(at('configmaps', 'a'));
      expect(await refusal(api.get(at('configmaps', 'a')))).toBe('404 NotFound: configmaps "a" not found');
      expect(await refusal(api.delete(at('configmaps', 'a')))).toBe('404 NotFound: configmaps "a" not found');
    },
  },
  {
    name: 'delete: only the one that is meant',
    async run({ api, at }) {
      const { object } = await api.create(at('configmaps'), configMap('a'));
      const { uid, resourceVersion } = object.metadata;
      const wrongUid = await refusedWith(api.delete(at('configmaps', 'a'), { preconditions: { uid: UID } }));
      expect([wrongUid.code, wrongUid.reason, wrongUid.message]).toEqual([
        409,
        'Conflict',
        `Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (${UID}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
      ]);
      await api.patch(at('configmaps', 'a'), 'merge', { data: { b: '2' } });
      expect((await refusedWith(api.delete(at('configmaps', 'a'), { preconditions: { resourceVersion } }))).message).toContain('The object might have been modified');
      await api.delete(at('configmaps', 'a'), { preconditions: { uid } });
      expect(await isGone(api.get(at('configmaps', 'a')))).toBe(true);
    },
  },
  {
    name: 'delete: finalizers hold it; it takes no new ones, and goes with the last',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a', {}, { finalizers: ['x.io/one', 'x.io/two'] }));
      await api.delete(at('configmaps', 'a'));
      const held = await api.get(at('configmaps', 'a'));
      expect(held.metadata.deletionTimestamp).toMatch(/^\d{4}-/);
      await api.delete(at('configmaps', 'a'));
      expect((await api.get(at('configmaps', 'a'))).metadata.deletionTimestamp).toBe(held.metadata.deletionTimestamp);
      expect(await refusal(api.patch(at('configmaps', 'a'), 'merge', { metadata: { finalizers: ['x.io/one', 'x.io/three'] } }))).toContain(
        '422 Invalid: ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted',
      );
      await api.patch(at('configmaps', 'a'), 'merge', { metadata: { finalizers: ['x.io/two'] } });
      expect((await api.get(at('configmaps', 'a'))).metadata.finalizers).toEqual(['x.io/two']);
      await api.patch(at('configmaps', 'a'), 'merge', { metadata: { finalizers: null } });
      expect(await isGone(api.get(at('configmaps', 'a')))).toBe(true);
    },
  },
  {
    name: 'delete: what becomes of dependents is written as a finalizer',
    async run({ api, at }) {
      const finalizersAfter = async (name: string, propagationPolicy: string) => {
        await api.create(at('deployments'), deployment(name, {}, { finalizers: ['x.io/hold'] }));
        await api.delete(at('deployments', name), { propagationPolicy });
        return [...(await api.get(at('deployments', name))).metadata.finalizers].sort();
      };
      expect(await finalizersAfter('f', 'Foreground')).toEqual(['foregroundDeletion', 'x.io/hold']);
      expect(await finalizersAfter('o', 'Orphan')).toEqual(['orphan', 'x.io/hold']);
      expect(await finalizersAfter('b', 'Background')).toEqual(['x.io/hold']);
      expect(await refusal(api.delete(at('deployments', 'b'), { propagationPolicy: 'Sideways' }))).toBe(
        '422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
      );
    },
  },
  {
    name: 'delete: a job\'s dependents stay where nobody says otherwise',
    async run({ api, at }) {
      const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j' }, spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'b' }] } } } };
      await api.create(at('jobs'), job);
      await api.delete(at('jobs', 'j'));
      expect((await api.get(at('jobs', 'j'))).metadata.finalizers).toEqual(['orphan']);
    },
  },
  {
    name: 'delete: both ways to say it are one too many (REST)',
    not: { grpc: 'has one way' },
    async run({ rest, namespace, api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', orphanDependents: true, propagationPolicy: 'Orphan' };
      const { status, body: answer } = await rest.request('DELETE', `/api/v1/namespaces/${namespace}/configmaps/a`, { body });
      expect([status, answer.message]).toEqual([
        422,
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
      ]);
      expect(await isGone(api.get(at('configmaps', 'a')))).toBe(false);
    },
  },
  {
    name: 'delete: a pod on a node ends in its time, which only gets shorter',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p', { nodeName: 'n', terminationGracePeriodSeconds: 50 }));
      await api.delete(at('pods', 'p'));
      const first = await api.get(at('pods', 'p'));
      expect(first.metadata.deletionGracePeriodSeconds).toBe(50);
      await api.delete(at('pods', 'p'), { gracePeriodSeconds: 90 });
      expect((await api.get(at('pods', 'p'))).metadata.deletionGracePeriodSeconds).toBe(50);
      await api.delete(at('pods', 'p'), { gracePeriodSeconds: 10 });
      const sooner = await api.get(at('pods', 'p'));
      expect(sooner.metadata.deletionGracePeriodSeconds).toBe(10);
      expect(Date.parse(sooner.metadata.deletionTimestamp)).toBeLessThan(Date.parse(first.metadata.deletionTimestamp));
      await api.delete(at('pods', 'p'), { gracePeriodSeconds: 0 });
      expect(await isGone(api.get(at('pods', 'p')))).toBe(true);
    },
  },
  {
    name: 'delete: a pod of no node, or one that has ended, goes at once',
    async run({ api, at }) {
      await api.create(at('pods'), pod('waiting'));
      await api.delete(at('pods', 'waiting'));
      expect(await isGone(api.get(at('pods', 'waiting')))).toBe(true);
      await api.create(at('pods'), pod('ended', { nodeName: 'n' }));
      await api.patch(at('pods', 'ended', 'status'), 'merge', { status: { phase: 'Succeeded' } });
      await api.delete(at('pods', 'ended'));
      expect(await isGone(api.get(at('pods', 'ended')))).toBe(true);
    },
  },
  {
    name: 'delete: a grace below none is the shortest there is',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p', { nodeName: 'n' }));
      await api.delete(at('pods', 'p'), { gracePeriodSeconds: -5 });
      expect((await api.get(at('pods', 'p'))).metadata.deletionGracePeriodSeconds).toBe(1);
      await api.delete(at('pods', 'p'), { gracePeriodSeconds: 0 });
    },
  },
  {
    name: 'delete: many, by labels or by fields, and no others',
    async run(subject) {
      const { api, at } = subject;
      for (const [name, tier] of [['a', 'web'], ['b', 'web'], ['c', 'db'], ['d', 'db']] as const) await api.create(at('pods'), pod(name, {}, { labels: { tier } }));
      await api.deleteCollection(at('pods'), { labelSelector: 'tier=web', dryRun: true });
      expect(await namesOf(subject, 'pods')).toEqual(['a', 'b', 'c', 'd']);
      await api.deleteCollection(at('pods'), { labelSelector: 'tier=web' });
      expect(await namesOf(subject, 'pods')).toEqual(['c', 'd']);
      await api.deleteCollection(at('pods'), { fieldSelector: 'metadata.name=d' });
      expect(await namesOf(subject, 'pods')).toEqual(['c']);
      expect(await refusal(api.deleteCollection(at('pods'), { labelSelector: 'a in b' }))).toBe("400 BadRequest: unable to parse requirement: found 'b' expected: '('");
      await api.deleteCollection(at('pods'));
      expect(await namesOf(subject, 'pods')).toEqual([]);
    },
  },
  {
    name: 'delete: a namespace that is ending takes nothing new',
    async run({ api, at, namespace }) {
      const name = `${namespace}-ending`;
      const inside = (resource: string, called = '') => ({ ...at(resource, called), namespace: name });
      await api.create(at('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      await api.create(inside('configmaps'), configMap('kept', {}, { finalizers: ['x.io/hold'] }));
      await api.delete(at('namespaces', name));
      const ending = await api.get(at('namespaces', name));
      expect(ending.metadata.deletionGracePeriodSeconds).toBeUndefined();
      expect([ending.status, ending.spec]).toMatchObject([{ phase: 'Terminating' }, { finalizers: ['kubernetes'] }]);
      const refused = await refusedWith(api.create(inside('configmaps'), configMap('late')));
      expect([refused.code, refused.reason, refused.message]).toEqual([
        403,
        'Forbidden',
        `configmaps "late" is forbidden: unable to create new content in namespace ${name} because it is being terminated`,
      ]);
      expect(refused.details?.causes).toEqual([{ reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' }]);
      expect((await refusedWith(api.apply(inside('configmaps', 'late'), configMap('late'), { fieldManager: 'm' }))).code).toBe(403);
      // What is there may still be changed, so that it can go.
      await api.patch(inside('configmaps', 'kept'), 'merge', { metadata: { finalizers: null } });
      const { object } = await api.update(at('namespaces', name, 'finalize'), { ...ending, spec: { finalizers: [] } });
      expect(object.metadata.name).toBe(name);
      expect(await isGone(api.get(at('namespaces', name)))).toBe(true);
    },
  },
  {
    name: 'delete: the namespaces of the cluster itself stay',
    async run({ api, at }) {
      for (const name of ['default', 'kube-system', 'kube-public']) {
        expect(await refusal(api.delete(at('namespaces', name)))).toBe(`403 Forbidden: namespaces "${name}" is forbidden: this namespace may not be deleted`);
      }
    },
  },
];
