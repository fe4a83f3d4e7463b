/** The JavaScript client of Kubernetes, stock: the typed APIs of many groups, objects of any kind, every type of patch. */
import * as k8s from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { configOf } from './client-node.ts';
import { startRest } from './fixture.ts';

const namespace = 'default';
const labels = { app: 'web' };
const container = { name: 'web', image: 'web:1' };
const template = { metadata: { labels }, spec: { containers: [container] } };
const codeOf = (answer: Promise<unknown>) => answer.then(() => 0, (error: unknown) => (error instanceof k8s.ApiException ? error.code : -1));

test('typed APIs of many groups: create, list and read, each with what the server adds', async () => {
  const config = configOf(await startRest());
  const api = {
    apps: config.makeApiClient(k8s.AppsV1Api),
    batch: config.makeApiClient(k8s.BatchV1Api),
    autoscaling: config.makeApiClient(k8s.AutoscalingV2Api),
    policy: config.makeApiClient(k8s.PolicyV1Api),
    rbac: config.makeApiClient(k8s.RbacAuthorizationV1Api),
    coordination: config.makeApiClient(k8s.CoordinationV1Api),
    networking: config.makeApiClient(k8s.NetworkingV1Api),
    storage: config.makeApiClient(k8s.StorageV1Api),
    scheduling: config.makeApiClient(k8s.SchedulingV1Api),
  };
  const metadata = { name: 'web' };
  const deployment = await api.apps.createNamespacedDeployment({ namespace, body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { selector: { matchLabels: labels }, template } } });
  expect([deployment.spec?.replicas, deployment.spec?.strategy?.type, deployment.metadata?.generation]).toEqual([1, 'RollingUpdate', 1]);
  await api.apps.createNamespacedStatefulSet({ namespace, body: { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { serviceName: 'web', selector: { matchLabels: labels }, template } } });
  await api.apps.createNamespacedDaemonSet({ namespace, body: { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: { selector: { matchLabels: labels }, template } } });
  const job = await api.batch.createNamespacedJob({ namespace, body: { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } } });
  expect(job.spec?.selector?.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': job.metadata?.uid });
  await api.batch.createNamespacedCronJob({ namespace, body: { apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } } } } });
  await api.autoscaling.createNamespacedHorizontalPodAutoscaler({ namespace, body: { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata, spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 3 } } });
  await api.policy.createNamespacedPodDisruptionBudget({ namespace, body: { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { minAvailable: '50%', selector: { matchLabels: labels } } } });
  await api.rbac.createNamespacedRole({ namespace, body: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] } });
  const lease = await api.coordination.createNamespacedLease({ namespace, body: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: { holderIdentity: 'me', leaseDurationSeconds: 5, renewTime: new k8s.V1MicroTime(1_700_000_000_000) } } });
  expect(JSON.stringify(lease.spec?.renewTime)).toBe('"2023-11-14T22:13:20.000000Z"');
  await api.networking.createNamespacedIngress({ namespace, body: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata, spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } } } });
  await api.storage.createStorageClass({ body: { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata, provisioner: 'podium.dev/none' } });
  const priority = await api.scheduling.createPriorityClass({ body: { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, value: 7 } });
  expect(priority.preemptionPolicy).toBe('PreemptLowerPriority');
  const lists = await Promise.all([
    api.apps.listNamespacedDeployment({ namespace }),
    api.apps.listNamespacedStatefulSet({ namespace }),
    api.apps.listDaemonSetForAllNamespaces(),
    api.batch.listNamespacedJob({ namespace }),
    api.batch.listNamespacedCronJob({ namespace }),
    api.autoscaling.listNamespacedHorizontalPodAutoscaler({ namespace }),
    api.policy.listNamespacedPodDisruptionBudget({ namespace }),
    api.rbac.listNamespacedRole({ namespace }),
    api.coordination.listNamespacedLease({ namespace, fieldSelector: 'metadata.name=web' }),
    api.networking.listNamespacedIngress({ namespace }),
    api.storage.listStorageClass(),
  ]);
  expect(lists.map(({ items }) => items.map((item) => item.metadata?.name))).toEqual(lists.map(() => ['web']));
  expect((await api.apps.readNamespacedDeploymentScale({ namespace, name: 'web' })).spec?.replicas).toBe(1);
  const scaled = await api.apps.replaceNamespacedDeploymentScale({ namespace, name: 'web', body: { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web', namespace }, spec: { replicas: 4 } } });
  expect(scaled.spec?.replicas).toBe(4);
  expect(await codeOf(api.apps.createNamespacedDeployment({ namespace, body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { selector: { matchLabels: labels }, template } } }))).toBe(409);
  expect(await codeOf(api.apps.createNamespacedDeployment({ namespace, body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'other' }, spec: { selector: { matchLabels: { app: 'other' } }, template } } }))).toBe(422);
});

test('each type of patch by its content type', async () => {
  const apps = configOf(await startRest()).makeApiClient(k8s.AppsV1Api);
  await apps.createNamespacedDeployment({ namespace, body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { selector: { matchLabels: labels }, template } } });
  const patch = async (strategy: k8s.PatchStrategy, body: unknown, more: { readonly fieldManager?: string; readonly force?: boolean } = {}) => {
    const patched = await apps.patchNamespacedDeployment({ namespace, name: 'web', body, ...more }, k8s.setHeaderOptions('Content-Type', strategy));
    return patched.spec?.template.spec?.containers.map(({ name, image }) => `${name}=${image}`);
  };
  const containers = (...list: readonly object[]) => ({ spec: { template: { spec: { containers: list } } } });
  expect(await patch(k8s.PatchStrategy.StrategicMergePatch, containers({ name: 'side', image: 'side:1' }))).toEqual(['side=side:1', 'web=web:1']);
  expect(await patch(k8s.PatchStrategy.JsonPatch, [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'side:2' }])).toEqual(['side=side:2', 'web=web:1']);
  expect(await patch(k8s.PatchStrategy.MergePatch, containers({ name: 'web', image: 'web:3' }))).toEqual(['web=web:3']);
  const applied = { apiVersion: 'apps/v1', kind: 'Deployment', ...containers({ name: 'web', image: 'web:4' }) };
  expect(await codeOf(patch(k8s.PatchStrategy.ServerSideApply, applied, { fieldManager: 'a' }))).toBe(409);
  expect(await patch(k8s.PatchStrategy.ServerSideApply, applied, { fieldManager: 'a', force: true })).toEqual(['web=web:4']);
});

test('objects of any kind: created, read, patched, listed, replaced and deleted', async () => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(configOf(await startRest()));
  const documents = k8s.loadAllYaml(`
apiVersion: v1
kind: Namespace
metadata: { name: any }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: any }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: 'web:1' }] }
`) as k8s.KubernetesObject[]; // the reader of YAML cannot know
  for (const document of documents) expect((await objects.create(document)).metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
  const place = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'any' } };
  const read = await objects.read<k8s.V1Deployment & { metadata: { name: string } }>(place);
  expect(read.spec?.replicas).toBe(1);
  const patched = await objects.patch<k8s.V1Deployment>({ ...place, spec: { replicas: 2 } } as k8s.V1Deployment, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch); // a part of one
  expect(patched.spec?.replicas).toBe(2);
  const replaced = await objects.replace<k8s.V1Deployment>({ ...patched, spec: { ...patched.spec!, replicas: 3 } });
  expect(replaced.metadata?.generation).toBe(3);
  // The version that is no more.
  expect(await codeOf(objects.replace<k8s.V1Deployment>({ ...patched, spec: { ...patched.spec!, replicas: 4 } }))).toBe(409);
  expect((await objects.list('apps/v1', 'Deployment', 'any')).items.map(({ metadata }) => metadata?.name)).toEqual(['web']);
  expect((await objects.delete(place)).status).toBe('Success');
  expect(await codeOf(objects.read(place))).toBe(404);
});
