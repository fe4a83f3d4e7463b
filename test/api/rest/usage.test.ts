/** metrics.k8s.io on a real port: what played agents say, and what becomes of those that say nothing. */
import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import type { Registry } from '../../../src/api/registry.ts';
import { Encoding, Resources } from '../../../src/proto/api.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Node, type StatsResponse } from '../../../src/proto/node.ts';
import { bind, RpcCode, RpcError, type Channel } from '../../../src/proto/rpc.ts';
import { pod, quiet, ref } from '../fixture.ts';
import { refusalOf, startRest, type RestFixture } from './fixture.ts';

const METRICS = '/apis/metrics.k8s.io/v1beta1';
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
/** As kubectl's client of this group asks. */
const PROTOBUF = { accept: 'application/vnd.kubernetes.protobuf, */*' };
const MIB = 1024 * 1024;

const usage = (cpuNanoCores: number, memoryBytes: number) => ({ atMs: Date.UTC(2024, 0, 1), windowMs: 15_000, cpuNanoCores, memoryBytes });

/** One a node; what it says is looked up when it is asked. */
class PlayedAgents {
  readonly asked: string[] = [];
  readonly answers = new Map<string, () => Promise<StatsResponse>>();
  /** The calls' timeouts are the API server's to wait for. */
  clock = new DrivenClock();

  readonly connect = (address: string): Channel => {
    const node = address.replace(/^10\.0\.0\.(\d+):10250$/, 'n$1');
    const agent = bind(Node, {
      stats: () => {
        this.asked.push(node);
        return this.answers.get(node)?.() ?? Promise.reject(new RpcError(RpcCode.UNAVAILABLE, 'nobody listens'));
      },
    });
    return directChannel({ services: [agent], clock: this.clock, log: quiet });
  };
}

async function addNode(api: Registry, number: number, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  await api.create(ref('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: `n${number}`, labels } });
  const status = { addresses: [{ type: 'InternalIP', address: `10.0.0.${number}` }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } };
  await api.patch(ref('nodes', `n${number}`, '', 'status'), { type: 'merge', body: { status } });
}

async function addPod(api: Registry, name: string, node: string, { namespace = 'default', phase = 'Running', ...labels }: Readonly<Record<string, string>> = {}): Promise<string> {
  const { object } = await api.create(ref('pods', '', namespace), pod(name, { nodeName: node }, { labels }));
  await api.patch(ref('pods', name, namespace, 'status'), { type: 'merge', body: { status: { phase } } });
  return object.metadata.uid!;
}

/** Two nodes, the second one a pod's of two containers; and pods of which nobody knows anything. */
async function world(): Promise<RestFixture & { readonly agents: PlayedAgents }> {
  const agents = new PlayedAgents();
  const fixture = await startRest({ connectToNode: agents.connect });
  const { api } = fixture;
  agents.clock = fixture.clock;
  await addNode(api, 1, { zone: 'a' });
  await addNode(api, 2, { zone: 'b' });
  await api.create(ref('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
  const web = await addPod(api, 'web', 'n1', { app: 'web' });
  const db = await addPod(api, 'db', 'n2', { app: 'db', namespace: 'other' });
  await addPod(api, 'fresh', 'n1', { app: 'web' });
  await addPod(api, 'waiting', 'n1', { phase: 'Pending' });
  const main = { name: 'main', usage: usage(250_000_000, 10 * MIB) };
  agents.answers.set('n1', async () => ({ node: usage(300_000_000, 80 * MIB), pods: [{ namespace: 'default', name: 'web', uid: web, containers: [main] }] }));
  const both = [main, { name: 'side', usage: usage(1_234, 1_532 * 1024) }];
  agents.answers.set('n2', async () => ({ node: usage(900_000_001, 90 * MIB), pods: [{ namespace: 'other', name: 'db', uid: db, containers: both }] }));
  return { ...fixture, agents };
}

const names = (items: readonly { readonly metadata: { readonly name: string } }[]) => items.map(({ metadata }) => metadata.name);

test('nodes and pods: one, all, of a namespace, by selectors', async () => {
  const client = (await world()).client();
  const nodes = await client.get(`${METRICS}/nodes`, PROTOBUF);
  expect([nodes.status, nodes.headers['content-type'], nodes.body.kind, nodes.body.metadata]).toEqual([200, 'application/json', 'NodeMetricsList', {}]);
  expect(nodes.body.items[0]).toEqual({
    kind: 'NodeMetrics',
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: { name: 'n1', creationTimestamp: '2024-01-01T00:00:00Z', labels: { zone: 'a' } },
    timestamp: '2024-01-01T00:00:00Z',
    window: '15s',
    usage: { cpu: '300m', memory: '80Mi' },
  });
  expect((await client.get(`${METRICS}/nodes/n2`)).body).toMatchObject({ kind: 'NodeMetrics', usage: { cpu: '900000001n', memory: '90Mi' } });
  expect(names((await client.get(`${METRICS}/nodes?labelSelector=zone%3Db`)).body.items)).toEqual(['n2']);
  const pods = (await client.get(`${METRICS}/pods?limit=1`)).body;
  expect([pods.kind, names(pods.items)]).toEqual(['PodMetricsList', ['web', 'db']]);
  expect(names((await client.get(`${METRICS}/namespaces/default/pods`)).body.items)).toEqual(['web']);
  expect(names((await client.get(`${METRICS}/pods?labelSelector=app+in+(db)`)).body.items)).toEqual(['db']);
  expect(names((await client.get(`${METRICS}/pods?fieldSelector=metadata.namespace%3Dother`)).body.items)).toEqual(['db']);
  expect((await client.get(`${METRICS}/namespaces/other/pods/db`, PROTOBUF)).body).toMatchObject({
    metadata: { name: 'db', namespace: 'other', labels: { app: 'db' } },
    containers: [
      { name: 'main', usage: { cpu: '250m', memory: '10Mi' } },
      { name: 'side', usage: { cpu: '1234n', memory: '1532Ki' } },
    ],
  });
});

test('tables have the columns of metrics-server, and a pod is the sum of its containers', async () => {
  const client = (await world()).client();
  const table = (await client.get(`${METRICS}/namespaces/other/pods`, TABLE)).body;
  expect(table.columnDefinitions).toMatchObject(['Name', 'cpu', 'memory', 'Window'].map((name) => ({ name })));
  expect(table.rows[0]).toMatchObject({ cells: ['db', '250001234n', '11772Ki', '15s'], object: { kind: 'PartialObjectMetadata' } });
  expect((await client.get(`${METRICS}/nodes/n1`, TABLE)).body.rows[0]?.cells).toEqual(['n1', '300m', '80Mi', '15s']);
});

test('refusals: who is not there, who has not been measured, and whatever is no reading', async () => {
  const client = (await world()).client();
  const refused = async (method: string, path: string) => refusalOf(await client.request(method, `${METRICS}/${path}`));
  expect(await refused('GET', 'namespaces/default/pods/none')).toBe('404 NotFound: pods "none" not found');
  for (const name of ['fresh', 'waiting']) {
    const answer = await client.get(`${METRICS}/namespaces/default/pods/${name}`);
    expect(refusalOf(answer)).toBe(`404 NotFound: podmetrics.metrics.k8s.io "default/${name}" not found`);
    expect(answer.body.details).toEqual({ name: `default/${name}`, group: 'metrics.k8s.io', kind: 'podmetrics' });
  }
  expect(await refused('GET', 'nodes/none')).toBe('404 NotFound: nodes "none" not found');
  for (const method of ['POST', 'DELETE']) expect(await refused(method, 'namespaces/default/pods')).toContain('405 MethodNotAllowed');
  for (const method of ['PUT', 'PATCH', 'DELETE']) expect(await refused(method, 'nodes/n1')).toContain('405 MethodNotAllowed');
  expect(await refused('GET', 'pods?watch=1')).toBe('405 MethodNotAllowed: watch is not supported on resources of kind "pods.metrics.k8s.io"');
  expect(await refused('GET', 'namespaces/default/nodes')).toContain('404 NotFound');
  expect(await refused('GET', 'namespaces/default/pods/web/status')).toContain('404 NotFound');
  expect(await refused('GET', 'services')).toContain('404 NotFound');
  expect(await refused('GET', 'pods?labelSelector=%3D%3D')).toContain('400 BadRequest');
  expect(await refused('GET', 'pods?fieldSelector=spec.nodeName%3Dn1')).toContain('is not a known field selector: only "metadata.name", "metadata.namespace"');
});

test('discovery and schemas tell of it, in the group alone and among all', async () => {
  const client = (await world()).client();
  const resource = (name: string, kind: string, namespaced: boolean) => ({ name, singularName: '', namespaced, kind, verbs: ['get', 'list'] });
  const list = (await client.get(METRICS)).body as unknown as { readonly resources: unknown };
  expect(list.resources).toEqual([resource('nodes', 'NodeMetrics', false), resource('pods', 'PodMetrics', true)]);
  expect((await client.get('/apis/metrics.k8s.io')).body).toMatchObject({ kind: 'APIGroup', preferredVersion: { version: 'v1beta1' } });
  const all = await client.get('/apis', { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' });
  const group = all.body.items.find(({ metadata }) => metadata.name === 'metrics.k8s.io');
  expect(group).toMatchObject({ versions: [{ version: 'v1beta1', resources: [{ resource: 'nodes' }, { resource: 'pods', scope: 'Namespaced' }] }] });
  const document = (await client.get('/openapi/v3/apis/metrics.k8s.io/v1beta1')).body as unknown as { readonly paths: object; readonly components: { readonly schemas: object } };
  expect(Object.keys(document.paths)).toEqual([`${METRICS}/namespaces/{namespace}/pods`, `${METRICS}/namespaces/{namespace}/pods/{name}`, `${METRICS}/nodes`, `${METRICS}/nodes/{name}`, `${METRICS}/pods`]);
  expect(document.components.schemas).toMatchObject({
    'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics': { 'x-kubernetes-group-version-kind': [{ group: 'metrics.k8s.io', version: 'v1beta1', kind: 'PodMetrics' }] },
  });
});

test('an agent is asked once for all that ask in a moment, and only those that matter', async () => {
  const { client: connect, agents, clock } = await world();
  const client = connect();
  await Promise.all([client.get(`${METRICS}/pods`), client.get(`${METRICS}/nodes`), client.get(`${METRICS}/nodes/n1`)]);
  expect(agents.asked.sort()).toEqual(['n1', 'n2']);
  await clock.advance(1_900);
  await client.get(`${METRICS}/pods`);
  expect(agents.asked.length).toBe(2);
  await clock.advance(200);
  await client.get(`${METRICS}/namespaces/other/pods/db`);
  expect(agents.asked.slice(2)).toEqual(['n2']);
});

test('an agent that does not answer is left out, and asked again after a while', async () => {
  const { client: connect, agents, clock, api } = await world();
  const client = connect();
  await addNode(api, 3);
  const good = agents.answers.get('n2')!;
  // Frozen: it takes the question and says nothing.
  agents.answers.set('n2', () => new Promise(() => {}));
  const listed = client.get(`${METRICS}/nodes`);
  const deadline = Date.now() + 10_000;
  while (agents.asked.length < 3 && Date.now() < deadline) await new Promise((go) => setTimeout(go, 5));
  await clock.advance(4_100);
  expect(names((await listed).body.items)).toEqual(['n1']);
  agents.answers.set('n2', good);
  expect(names((await client.get(`${METRICS}/nodes`)).body.items)).toEqual(['n1']);
  expect(refusalOf(await client.get(`${METRICS}/nodes/n3`))).toBe('404 NotFound: nodemetrics.metrics.k8s.io "n3" not found');
  await clock.advance(10_100);
  expect(names((await client.get(`${METRICS}/nodes`)).body.items)).toEqual(['n1', 'n2']);
});

test('the other face has the same', async () => {
  const { server, clock } = await world();
  const channel = directChannel({ services: server.services, clock, log: quiet });
  const at = (name: string) => ({ group: 'metrics.k8s.io', version: 'v1beta1', resource: 'pods', namespace: 'other', name, subresource: '' });
  const { items } = await channel.unary(Resources.methods.list, { ref: at(''), encoding: Encoding.JSON });
  const textOf = (object: (typeof items)[number] | undefined) => (object?.encoding?.case === 'json' ? Buffer.from(object.encoding.value).toString() : '');
  expect(items.map(textOf)).toEqual([expect.stringContaining('"kind":"PodMetrics"')]);
  const table = await channel.unary(Resources.methods.get, { ref: at('db'), asTable: true, encoding: Encoding.JSON });
  expect(JSON.parse(textOf(table.object))).toMatchObject({ kind: 'Table', rows: [{ cells: ['db', '250001234n', '11772Ki', '15s'] }] });
  await expect(channel.unary(Resources.methods.get, { ref: at('none') })).rejects.toThrow('pods "none" not found');
  const removal = channel.unary(Resources.methods.delete, { ref: at('db') });
  await expect(removal).rejects.toMatchObject({ code: RpcCode.UNIMPLEMENTED });
});
