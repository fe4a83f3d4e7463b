/** The JavaScript client of Kubernetes, stock, over HTTP/1.1: lists, writes, errors, a watch and an informer that resumes. */
import * as k8s from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { until } from '../../until.ts';
import { configMap } from '../fixture.ts';
import { configOf } from './client-node.ts';
import { startRest } from './fixture.ts';

const at = (name = '') => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name, subresource: '' });

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
  await until('the informer watches', () => rest.api.watchers === 1);
  await rest.api.create(at(), configMap('a'));
  await rest.api.patch(at('a'), { type: 'merge', body: { data: { a: '2' } } });
  await until(() => `the changes have come: ${seen.join(', ')}`, () => seen.length === 3);
  // Every watch ends: it comes back where it was.
  await rest.clock.advance(2 * 3_600_000);
  await until('the informer watches again', () => rest.api.watchers === 1);
  await rest.api.delete(at('before'));
  await rest.api.create(at(), configMap('b'));
  await until(() => `the changes have come: ${seen.join(', ')}`, () => seen.length >= 5);
  expect(seen).toEqual(['add before', 'add a', 'update a', 'delete before', 'add b']);
  await informer.stop();
});

test('a watch of its own, with bookmarks', async () => {
  const rest = await startRest();
  await rest.api.create(at(), configMap('a'));
  const seen: string[] = [];
  const watch = new k8s.Watch(configOf(rest));
  const controller = await watch.watch('/api/v1/configmaps', { allowWatchBookmarks: true }, (phase: string, object: k8s.V1ConfigMap) => seen.push(`${phase} ${object.metadata?.name ?? ''}`.trim()), () => {});
  await until('the state and its end', () => seen.length === 2);
  await rest.clock.advance(31_000);
  await until('a bookmark', () => seen.length === 3);
  expect(seen).toEqual(['ADDED a', 'BOOKMARK', 'BOOKMARK']);
  controller.abort();
});
