/**
 * Faults drawn from a seed, on every part of a whole cluster at once; then all of it heals, and what was acknowledged
 * must be there and what was asked for must come true. `FAULT_SEEDS=100 npx vitest run test/testing/faults` tries more,
 * `FAULT_SEED=7` one.
 */
import { expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import { isAlreadyExists } from '../../src/client/api-error.ts';
import {
  conditionOf,
  type ApiObject,
  type Deployment,
  type EndpointSlice,
  type Node,
  type Pod,
  type Service,
} from '../../src/client/objects.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';
import type { Part } from '../../src/testing/part.ts';

const { FAULT_SEED, FAULT_SEEDS = '5' } = process.env;
const seeds = FAULT_SEED === undefined ? Array.from({ length: Number(FAULT_SEEDS) }, (_, index) => index + 1) : [Number(FAULT_SEED)];

const ROUNDS = 15;
const deployments = inNamespace(resources.deployments, 'default');
const configMaps = inNamespace(resources.configMaps, 'default');
const services = inNamespace(resources.services, 'default');

const labels = { app: 'web' };

const imageOf = (version: number) => `example.com/web:${version}`;

const web: Deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 4,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: imageOf(1) }] } },
  },
};

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
};

function parts({ members, nodes, apiServer, scheduler, controllers }: TestCluster): readonly Part[] {
  return [...members, ...nodes, apiServer, scheduler, controllers];
}

/** Takes back some of what was done, and does something bad to some part. Members fail one at a time: a quorum stays. */
function strike(cluster: TestCluster, random: Random): string {
  for (const each of parts(cluster)) if (random.chance(0.3)) mend(each);
  const part = random.pick(parts(cluster));
  const kind = random.pick(['kill', 'pause', 'partition', 'kill whole'] as const);
  const isMember = cluster.members.some((member) => member === part);
  if (isMember) for (const member of cluster.members) mend(member);
  mend(part);
  const node = cluster.nodes.find((each) => each === part);
  const member = cluster.members.find((each) => each === part);
  if (kind === 'pause') part.pause();
  else if (kind === 'partition') part.partition();
  else if (kind === 'kill') part.kill();
  else if (node !== undefined) node.kill({ withPods: true });
  else if (member !== undefined) member.powerCut();
  else part.kill();
  return `${kind} ${part.name}`;
}

/** Does not wait: what it comes back to may be away itself. */
function mend(part: Part): void {
  part.resume();
  part.heal();
  if (!part.isRunning) void part.start();
}

/** Writes an object; answers its name once that is acknowledged. */
async function write(cluster: TestCluster, name: string): Promise<string | undefined> {
  const object: ApiObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
  try {
    await cluster.client.create(configMaps, object);
    return name;
  } catch (error) {
    if (isAlreadyExists(error) || !(error instanceof ApiError)) throw error;
    return undefined;
  }
}

/** A new version, another size; whether it was done, the Deployment says in the end. */
async function change(cluster: TestCluster, version: number, replicas: number): Promise<void> {
  const patch = { spec: { replicas, template: { spec: { containers: [{ name: 'web', image: imageOf(version) }] } } } };
  await cluster.client.patch(deployments, 'web', { type: 'strategic', patch }).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
}

async function isWhole({ client }: TestCluster): Promise<boolean> {
  const nodes = (await client.list<Node>(resources.nodes)).items;
  if (!nodes.every(({ status }) => conditionOf(status?.conditions, 'Ready')?.status === 'True')) return false;
  const pods = (await client.list<Pod>(resources.pods)).items;
  const isReady = (pod: Pod) => conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';
  const { spec, status } = await client.get<Deployment>(deployments, 'web');
  const { replicas } = spec;
  const image = spec.template.spec.containers[0]!.image;
  if (pods.length !== replicas || !pods.every(isReady)) return false;
  if (status?.availableReplicas !== replicas || status.updatedReplicas !== replicas) return false;
  if (pods.some((pod) => pod.spec.containers[0]!.image !== image)) return false;
  const slices = (await client.list<EndpointSlice>(resources.endpointSlices)).items;
  const endpoints = slices.flatMap((slice) => slice.endpoints).filter(({ conditions }) => conditions?.ready === true);
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses).sort();
  return addresses.join(' ') === pods.map((pod) => pod.status?.podIP ?? '').sort().join(' ');
}

/** What the machines run is what the API server says, and nothing more. */
async function running({ nodes }: TestCluster): Promise<string[]> {
  const sandboxes = await Promise.all(nodes.map((node) => node.runtime.listPodSandboxes()));
  return sandboxes.flat().map(({ id }) => id).sort();
}

test.each(seeds)('whatever fails, nothing acknowledged is lost and all comes right: seed %i', async (seed) => {
  const random = seededRandom(`faults ${seed}`);
  const cluster = await startCluster({ members: 3, nodes: 3, seed });
  await cluster.client.create(services, service);
  await cluster.client.create(deployments, web);
  const acknowledged: string[] = [];
  const story: string[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    story.push(`${cluster.clock.monotonic()}: ${strike(cluster, random)}`);
    await cluster.clock.advance(random.below(4_000));
    const name = await write(cluster, `round-${round}`);
    if (name !== undefined) acknowledged.push(name);
    if (random.chance(0.25)) await change(cluster, round, random.between(2, 6));
  }
  for (const part of parts(cluster)) mend(part);
  await cluster.until(`the cluster to be whole after ${story.join(', ')}`, () => isWhole(cluster), 180_000);

  const names = (await cluster.client.list(configMaps)).items.map(({ metadata }) => metadata.name);
  expect(names).toEqual(expect.arrayContaining(acknowledged));
  expect(acknowledged.length).toBeGreaterThan(0);
  const uids = (await cluster.client.list(resources.pods)).items.map(({ metadata }) => metadata.uid).sort();
  await cluster.until('no machine to run what is not wanted', async () => (await running(cluster)).join() === uids.join());
  await cluster.until('all members to agree', () => new Set(cluster.members.map(({ member }) => member.machine.revision)).size === 1);
  expect(cluster.errors).toEqual([]);
  await cluster.stop();
}, 60_000);
