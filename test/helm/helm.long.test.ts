/**
 * Stock Helm on a real cluster: the life of a release, from `lint` to `uninstall`. Helm 3
 * patches with three-way merges, Helm 4 applies on the server's side and waits by watching.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ProcessCluster } from '../e2e/cluster.ts';
import { StockClient } from '../e2e/stock-client.ts';
import { findTool, requireTool, ROOT } from '../processes.ts';

const CHART = join(ROOT, 'test', 'helm', 'chart');
/** Long enough for a machine that has much to do; what waits in vain is given less. */
const WAIT = ['--wait', '--timeout', '60s'];

interface Items {
  readonly items: readonly {
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly uid: string; readonly generation?: number; readonly deletionTimestamp?: string; readonly labels?: Readonly<Record<string, string>> };
    readonly spec?: { readonly replicas?: number; readonly serviceAccountName?: string };
    readonly status?: { readonly phase?: string; readonly availableReplicas?: number };
    readonly type?: string;
    readonly data?: Readonly<Record<string, string>>;
  }[];
}

interface Release {
  readonly name: string;
  readonly version: number;
  readonly namespace: string;
  readonly info: { readonly status: string; readonly notes: string };
}

/** What Helm sees is the same with one member and one node; the machine has less to do. */
const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes: [{ name: node-1, port: 10250, runtime: process }]
`;

const cluster = new ProcessCluster();

beforeAll(async () => {
  await cluster.up(CONFIG);
});

afterAll(async () => {
  await cluster.remove();
});

/** Helm and kubectl in a namespace of that name, and what a release consists of. */
async function clientsOf(name: string, skip: (reason: string) => void) {
  const place = { kubeconfig: join(cluster.dataDir, 'kubeconfig'), namespace: name };
  const helm = new StockClient({ program: requireTool(name, skip), ...place });
  const kubectl = new StockClient({ program: requireTool('kubectl', skip), ...place });
  onTestFinished(() => {
    helm.remove();
    kubectl.remove();
  });
  await kubectl.out('create', 'namespace', name);
  const objects = (kinds: string, release: string) => kubectl.json<Items>('get', kinds, '--selector', `app.kubernetes.io/instance=${release}`);
  const pods = async (release: string) => {
    const { items } = await objects('pods', release);
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid);
  };
  const greeting = async (release: string) => (await objects('configmaps', release)).items[0]?.data?.['greeting'];
  const history = async (release: string) => {
    const entries = await helm.json<{ revision: number; status: string; description: string }[]>('history', release);
    return entries.map(({ revision, status }) => `${revision} ${status}`);
  };
  const objectsLeft = async (release: string) => (await objects('deployments,replicasets,services,configmaps,secrets,serviceaccounts,ingresses,horizontalpodautoscalers', release)).items.map(({ kind }) => kind);
  return { helm, kubectl, objects, pods, greeting, history, objectsLeft };
}

/** Helm 4 takes minutes to build: it runs where somebody has built it (`.ci/install-test-clients helm4`). */
const VERSIONS = findTool('helm4') === undefined ? ['helm'] : ['helm', 'helm4'];

test.concurrent.for(VERSIONS)('the life of a release, by %s', async (name, { skip }) => {
  const { helm, kubectl, objects, pods, greeting, history, objectsLeft } = await clientsOf(name, skip);

  // Before anything is there.
  expect(await helm.out('lint', CHART)).toContain('1 chart(s) linted, 0 chart(s) failed');
  expect((await helm.out('template', 'one', CHART)).match(/^kind: .*$/gm)).toEqual(
    ['ServiceAccount', 'Secret', 'ConfigMap', 'Service', 'Deployment', 'Pod', 'Pod'].map((kind) => `kind: ${kind}`),
  );
  expect(await helm.out('install', 'one', CHART, '--dry-run=server')).toContain('STATUS: pending-install');
  expect(await objectsLeft('one')).toEqual([]);
  expect(await helm.json('list', '--pending')).toEqual([]);

  // Everything that the chart has is ready when the install has ended; its hook has run before, and is gone.
  expect(await helm.out('install', 'one', CHART, ...WAIT)).toContain('NOTES:\none-web answers "hello" on port 80.');
  const [deployment] = (await objects('deployments', 'one')).items;
  expect(deployment?.status?.availableReplicas).toBe(2);
  const first = await pods('one');
  expect(first).toHaveLength(2);
  const { items: all } = await kubectl.json<Items>('get', 'pods,secrets');
  expect(all.filter(({ metadata }) => metadata.name === 'one-web-prepare')).toEqual([]);
  expect(all.filter(({ type }) => type === 'helm.sh/release.v1').map(({ metadata: { name, labels } }) => [name, labels])).toEqual([
    ['sh.helm.release.v1.one.v1', { modifiedAt: expect.any(String), name: 'one', owner: 'helm', status: 'deployed', version: '1' }],
  ]);
  expect(await helm.json('list')).toMatchObject([{ name: 'one', namespace: name, revision: '1', status: 'deployed', chart: 'web-0.1.0', app_version: '1' }]);
  expect(await helm.json<Release>('status', 'one')).toMatchObject({ name: 'one', version: 1, namespace: name, info: { status: 'deployed' } });
  const told = await helm.out('get', 'all', 'one');
  for (const part of ['REVISION: 1', 'greeting: hello', '# Source: web/templates/prepare.yaml', '# Source: web/templates/deployment.yaml']) expect(told).toContain(part);
  const refusal = await helm.run('install', 'one', CHART);
  expect([refusal.exitCode, refusal.stderr]).toEqual([1, expect.stringMatching(/cannot re-?use a name that is still in use/)]);

  // An upgrade replaces the pods, and removes what the chart has no more.
  await helm.out('upgrade', 'one', CHART, ...WAIT, '--set', 'greeting=moin,serviceAccount.create=false');
  const second = await pods('one');
  expect(second).toHaveLength(2);
  expect(second.filter((uid) => first.includes(uid))).toEqual([]);
  expect(await greeting('one')).toBe('moin');
  expect((await objects('serviceaccounts', 'one')).items).toEqual([]);
  const tested = await helm.out('test', 'one', '--logs');
  expect(tested).toMatch(/TEST SUITE: +one-web-test\n[^]*Phase: +Succeeded/);
  expect(tested).toMatch(/POD LOGS: one-web-test(?: \(fetch\))?\nmoin very-secret\n/);

  // A version that never gets ready: all is as it was, by the pods that never stopped. One whose hook fails changes nothing.
  const rollBack = name === 'helm' ? '--atomic' : '--rollback-on-failure';
  const failed = await helm.run('upgrade', 'one', CHART, '--reuse-values', '--set', 'program=nothing.cjs', rollBack, '--wait', '--timeout', '3s');
  expect([failed.exitCode, failed.stderr]).toEqual([1, expect.stringMatching(/UPGRADE FAILED: release one failed, and has been rolled back due to/)]);
  expect([...(await pods('one'))].sort()).toEqual([...second].sort());
  const hooked = await helm.run('upgrade', 'one', CHART, '--reuse-values', '--set', 'greeting=never,prepareExitCode=3', ...WAIT);
  expect([hooked.exitCode, hooked.stderr]).toEqual([1, expect.stringContaining('UPGRADE FAILED: pre-upgrade hooks failed')]);
  expect(await greeting('one')).toBe('moin');
  expect(await history('one')).toEqual(['1 superseded', '2 superseded', '3 failed', '4 deployed', '5 failed']);

  // Back to the first.
  await helm.out('rollback', 'one', '1', ...WAIT);
  expect(await greeting('one')).toBe('hello');
  expect((await pods('one')).filter((uid) => second.includes(uid))).toEqual([]);
  expect((await objects('serviceaccounts', 'one')).items).toHaveLength(1);
  expect((await history('one')).at(-1)).toBe('6 deployed');

  // What somebody else has changed: merged back by Helm 3, a conflict for Helm 4 until it is told to take it.
  await kubectl.out('scale', 'deployment', 'one-web', '--replicas=3');
  const drifted = await helm.run('upgrade', 'one', CHART);
  if (name === 'helm4') {
    expect(drifted.stderr).toMatch(/conflict occurred while applying object helm4\/one-web [^]*conflict with "kubectl"[^]*\.spec\.replicas/);
    await helm.out('upgrade', 'one', CHART, '--force-conflicts');
  } else expect(drifted).toMatchObject({ exitCode: 0 });
  expect((await objects('deployments', 'one')).items[0]?.spec?.replicas).toBe(2);

  // A release that may be there or not, with all that is optional.
  const both = ['upgrade', '--install', 'two', CHART, '--set', 'replicaCount=1,ingress.enabled=true,autoscaling.enabled=true', ...WAIT];
  expect(await helm.out(...both)).toContain('Release "two" does not exist. Installing it now.');
  expect(await helm.out(...both)).toContain('Release "two" has been upgraded. Happy Helming!');
  expect((await objectsLeft('two')).sort()).toEqual(['ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'Ingress', 'ReplicaSet', 'Secret', 'Service', 'ServiceAccount']);

  // Gone with all they made; only what a test left stays, as Helm says.
  expect(await helm.out('uninstall', 'one', ...WAIT)).toContain('release "one" uninstalled');
  expect(await helm.out('uninstall', 'two', ...WAIT, '--keep-history')).toContain('release "two" uninstalled');
  expect(await helm.json('list', '--uninstalled')).toMatchObject([{ name: 'two', status: 'uninstalled' }]);
  await cluster.until('nothing is left', 20_000, async () => {
    const left = await Promise.all(['one', 'two'].map(async (release) => [...(await objectsLeft(release)), ...(await objects('pods', release)).items]));
    return left.flat().length === 0;
  });
  const unknown = await helm.run('uninstall', 'one');
  expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining('release: not found')]);
});
