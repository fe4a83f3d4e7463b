import { expect, test } from 'vitest';
import type { AgentPod } from '../../../src/agent/core/pod-spec.ts';
import { isMirrorOf, localUid, mirrorOf, planMirror, readManifest } from '../../../src/agent/core/static-pods.ts';

const place = { nodeName: 'node-1', fileName: 'web.yaml', seenAt: '2026-01-01T00:00:00Z', hash: (text: string) => `hash of ${text.length}` };
const WEB = `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web }, annotations: { own: yes } }
spec:
  containers:
    - { name: main, image: podium.dev/host, command: [sleep, "1000"] }
`;
const read = (text: string): AgentPod => {
  const manifest = readManifest(text, place);
  if (!manifest.ok) throw new Error(manifest.message);
  return manifest.pod;
};

test('readManifest() makes the pod of a node, in YAML or JSON, with what the API server would have filled in', () => {
  const pod = read(WEB);
  expect(pod.metadata).toMatchObject({ name: 'web-node-1', namespace: 'default', labels: { app: 'web' } });
  expect(pod.metadata.annotations).toMatchObject({ 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': pod.metadata.uid, 'kubernetes.io/config.seen': place.seenAt });
  expect(pod.spec).toMatchObject({ nodeName: 'node-1', restartPolicy: 'Always', terminationGracePeriodSeconds: 30, tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] });
  const json = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'j', namespace: 'kube-system' }, spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'i' }] } });
  expect(read(json)).toMatchObject({ metadata: { name: 'j-node-1', namespace: 'kube-system' }, spec: { restartPolicy: 'Never' } });
});

test('its uid is that of its content, its file and its node', () => {
  const texts: string[] = [];
  const hash = (text: string) => String(texts.push(text));
  for (const [text, changed] of [[WEB, {}], [WEB.replace('1000', '2000'), {}], [WEB, { fileName: 'other.yaml' }], [WEB, { nodeName: 'node-2' }]] as const) readManifest(text, { ...place, hash, ...changed });
  expect(new Set(texts).size).toBe(4);
});

test.each([
  ['', 'a file holds one Pod, not 0'],
  [`${WEB}---${WEB}`, 'a file holds one Pod, not 2'],
  ['a: [', 'line 1'],
  ['just text', 'it is no object'],
  [WEB.replace('kind: Pod', 'kind: Deployment'), 'it is no Pod of v1: apiVersion "v1", kind "Deployment"'],
  [WEB.replace('name: web,', 'name: Web/..,'), 'metadata.name: "Web/.." is no name of a pod'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}}', 'spec: is missing'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}', 'spec.containers: must name a container'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a}]}}', 'spec.containers[0].image: is missing'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: ../a, image: i}]}}', 'spec.containers[0].name: "../a" is no name of a container'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: i}, {name: a, image: i}]}}', 'spec.containers[1].name: there is another container a'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {volumes: [{name: v, secret: {}}], containers: [{name: a, image: i}]}}', 'spec.volumes: a pod of a file may not refer to other objects (secret)'],
  ['{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {serviceAccountName: x, containers: [{name: a, image: i}]}}', 'spec.serviceAccountName: a pod of a file may not have a service account'],
])('readManifest() refuses %j', (text, message) => {
  expect(readManifest(text, place)).toEqual({ ok: false, message: expect.stringContaining(message) as string });
});

test('a mirror stands for the pod as it is now, and is known by its hash', () => {
  const pod = read(WEB);
  const mirror = { ...mirrorOf(pod, 'n'), metadata: { ...mirrorOf(pod, 'n').metadata, uid: 'of the API server' } };
  expect(mirror.metadata.ownerReferences).toEqual([{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'n', controller: true }]);
  expect([isMirrorOf(mirror, pod), isMirrorOf(mirror, read(WEB.replace('1000', '2')))]).toEqual([true, false]);
  expect([localUid(mirror), localUid(pod)]).toEqual([pod.metadata.uid, pod.metadata.uid]);
});

test('planMirror() makes what is missing, takes away what is wrong, and leaves alone what is others', () => {
  const pod = read(WEB);
  const right: AgentPod = { ...mirrorOf(pod, undefined), metadata: { ...mirrorOf(pod, undefined).metadata, uid: 'm' } };
  const old: AgentPod = { ...right, metadata: { ...right.metadata, annotations: { 'kubernetes.io/config.mirror': 'before' } } };
  const deleted: AgentPod = { ...right, metadata: { ...right.metadata, deletionTimestamp: 'now' } };
  const foreign: AgentPod = { ...right, metadata: { name: 'web-node-1', uid: 'f' } };
  const removal = { kind: 'delete', uid: 'm' };
  expect([undefined, right, old, deleted, foreign].map((object) => planMirror(pod, object))).toEqual([{ kind: 'create' }, undefined, removal, removal, undefined]);
  expect([undefined, right, foreign].map((object) => planMirror(undefined, object))).toEqual([undefined, removal, undefined]);
});
