/** The JavaScript client of Kubernetes, stock, over HTTP/1.1: lists, writes, errors, a watch and an informer that resumes. */
import * as k8s from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { configMap } from '../fixture.ts';
import { startRest, type RestFixture } from './fixture.ts';

const at = (name = '') => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name, subresource: '' });

function configOf({ port, certificates }: RestFixture): k8s.KubeConfig {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const config = new k8s.KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `https://127.0.0.1:${port}`, caData: base64(certificates.ca) }],
    users: [{ name: 'u', certData: base64(certificates.admin.cert), keyData: base64(certificates.admin.key) }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('typed calls: create, read, patch, list, delete, and an error with its Status', async () => {
  const core = configOf(await startRest()).makeApiClient(k8s.CoreV1Api);
  const created = await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'x' }, data: { a: '1' }, apiVersion: 'v1', kind: 'ConfigMap' } });
  expect([created.metadata?.name, created.metadata?.creationTimestamp instanceof Date]).toEqual(['x', true]);
  expect((await core.readNamespacedConfigMap({ namespace: 'default', name: 'x' })).data).toEqual({ a: '1' });
  const patched = await core.patchNamespacedConfigMap(
    { namespace: 'default', name: 'x', body: { data: { b: '2' } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
  );
  expect(patched.data).toEqual({ a: '1', b: '2' });
  expect((await core.listConfigMapForAllNamespaces()).items.map(({ metadata }) => metadata?.name)).toEqual(['x']);
  expect((await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'x' })).status).toBe('Success');
  const error: unknown = await core.readNamespacedConfigMap({ namespace: 'default', name: 'x' }).catch((each: unknown) => each);
  expect(error).toMatchObject({ code: 404, body: expect.stringContaining('configmaps \\"x\\" not found') });
});

test('an informer sees every change once, and resumes when its watch ends', async () => {
  const rest = await startRest();
  const config = configOf(rest);
  const core = config.makeApiClient(k8s.CoreV1Api);
  await rest.api.create(at(), configMap('before'));
  const seen: string[] = [];
  const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/configmaps', () => core.listNamespacedConfigMap({ namespace: 'default' }));
  for (const verb of ['add', 'update', 'delete'] as const) informer.on(verb, (object) => seen.push(`${verb} ${object.metadata?.name}`));
  informer.on('error', (error: unknown) => seen.push(`error ${String(error)}`));
  await informer.start();
  await until(() => rest.api.watchers === 1, 'the informer watches');
  await rest.api.create(at(), configMap('a'));
  await rest.api.patch(at('a'), { type: 'merge', body: { data: { a: '2' } } });
  await until(() => seen.length === 3, `the changes have come: ${seen.join(', ')}`);
  // Every watch ends: it comes back where it was.
  await rest.clock.advance(2 * 3_600_000);
  await until(() => rest.api.watchers === 1, 'the informer watches again');
  await rest.api.delete(at('before'));
  await rest.api.create(at(), configMap('b'));
  await until(() => seen.length >= 5, `the changes have come: ${seen.join(', ')}`);
  expect(seen).toEqual(['add before', 'add a', 'update a', 'delete before', 'add b']);
  await informer.stop();
});

test('a watch of its own, with bookmarks', async () => {
  const rest = await startRest();
  await rest.api.create(at(), configMap('a'));
  const seen: string[] = [];
  const watch = new k8s.Watch(configOf(rest));
  const controller = await watch.watch('/api/v1/configmaps', { allowWatchBookmarks: true }, (phase: string, object: k8s.V1ConfigMap) => seen.push(`${phase} ${object.metadata?.name ?? ''}`.trim()), () => {});
  await until(() => seen.length === 2, 'the state and its end');
  await rest.clock.advance(31_000);
  await until(() => seen.length === 3, 'a bookmark');
  expect(seen).toEqual(['ADDED a', 'BOOKMARK', 'BOOKMARK']);
  controller.abort();
});
