/** Field selectors: what each kind knows, and what is said of what it does not know. */
import { expect } from 'vitest';
import { refusal } from './api.ts';
import { pod } from './manifests.ts';
import type { Case, Subject } from './subject.ts';

const ONLY_METADATA = ' is not a known field selector: only "metadata.name", "metadata.namespace"';

/** Kinds in the form of At, with fields that they know. */
const KNOWN: readonly (readonly [string, readonly string[]])[] = [
  ['pods', ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork', 'status.phase', 'status.podIP', 'status.podIPs', 'status.nominatedNodeName']],
  ['events', ['involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'source', 'type']],
  ['nodes', ['spec.unschedulable']],
  ['secrets', ['type']],
  ['namespaces', ['status.phase']],
  ['services', ['spec.clusterIP', 'spec.type']],
  ['replicationcontrollers', ['status.replicas']],
  ['jobs', ['status.successful']],
  ['certificatesigningrequests', ['spec.signerName']],
];

const MUTE: readonly string[] = ['configmaps', 'persistentvolumeclaims', 'persistentvolumes', 'deployments', 'replicasets', 'cronjobs', 'clusterroles', 'horizontalpodautoscalers', 'priorityclasses'];

const namesOf = async ({ api, at }: Subject, fieldSelector: string) =>
  (await api.list(at('pods'), { fieldSelector })).items.map(({ metadata }) => metadata.name).join(' ');

export const fieldCases: readonly Case[] = [
  {
    name: 'fields: those that a kind knows',
    async run({ api, at }) {
      for (const [resource, fields] of KNOWN) {
        for (const field of fields) {
          expect([resource, field, (await api.list(at(resource), { fieldSelector: `${field}=no-such-value` })).items]).toEqual([resource, field, []]);
        }
      }
    },
  },
  {
    name: 'fields: one that a kind does not know is refused in its words',
    async run({ api, at }) {
      for (const [resource] of KNOWN) {
        const problem = resource === 'jobs' ? 'field label "foo" not supported for Job' : 'field label not supported: foo';
        expect([resource, await refusal(api.list(at(resource), { fieldSelector: 'foo=bar' }))]).toEqual([resource, `400 BadRequest: ${problem}`]);
      }
      for (const resource of MUTE) {
        expect([resource, await refusal(api.list(at(resource), { fieldSelector: 'foo=bar' }))]).toEqual([resource, `400 BadRequest: "foo"${ONLY_METADATA}`]);
        expect(await api.watch(at(resource), { fieldSelector: 'foo=bar' }).refusal()).toBe(`400 BadRequest: "foo"${ONLY_METADATA}`);
      }
    },
  },
  {
    name: 'fields: equal, unequal, several, and what cannot be read',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('pods'), pod('a', { nodeName: 'n1' }));
      await api.create(at('pods'), pod('b', { nodeName: 'n1', restartPolicy: 'Never' }));
      await api.create(at('pods'), pod('c'));
      for (const [selector, found] of [
        ['spec.nodeName=n1', 'a b'], ['spec.nodeName==n1', 'a b'], ['spec.nodeName!=n1', 'c'], ['spec.nodeName=', 'c'],
        ['spec.nodeName=n1,spec.restartPolicy=Never', 'b'], ['metadata.name!=a,status.phase=Pending', 'b c'], ['spec.hostNetwork=false', 'a b c'],
      ] as const) {
        expect([selector, await namesOf(subject, selector)]).toEqual([selector, found]);
      }
      expect(await refusal(api.list(at('pods'), { fieldSelector: 'foo' }))).toBe("400 BadRequest: invalid selector: 'foo'; can't understand 'foo'");
    },
  },
];
