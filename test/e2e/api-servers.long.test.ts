/**
 * Two API servers behind one cluster, as people and the cluster's own parts meet them: whichever is killed, a watch on
 * the other sees all, an apply that broke off is repeated there and ends as declared, and deployments become ready.
 * What client libraries see of such kills is tried in test/clients-of-the-api.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { killPart, restartPart } from '../../src/cluster/faults.ts';
import { adminTokenFile, isApiServer, pkiDir, readCluster } from '../../src/cluster/data-dir.ts';
import { RestClient } from '../api/rest/fixture.ts';
import { requireTool } from '../processes.ts';
import { ProcessCluster } from './cluster.ts';
import { StockClient } from './stock-client.ts';

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
apiServer: { count: 2 }
nodes: [{ name: node-1, port: 10250, runtime: process }]
`;
/** By the contexts of the kubeconfig. */
const SERVERS = [
  { part: 'apiserver', context: 'podium', other: 'podium-2' },
  { part: 'apiserver-2', context: 'podium-2', other: 'podium' },
] as const;
const WRITES = 90;
const OBJECTS = 80;

const cluster = new ProcessCluster();
const faults = { dataDir: cluster.dataDir, clock: systemClock };

beforeAll(async () => {
  await cluster.up(CONFIG);
});

afterAll(async () => {
  await cluster.remove();
});

/** kubectl with each of the contexts. */
function kubectls(skip: (reason: string) => void): Readonly<Record<'podium' | 'podium-2', StockClient>> {
  const program = requireTool('kubectl', skip);
  const of = (context: string) => {
    const client = new StockClient({ program, kubeconfig: join(cluster.dataDir, 'kubeconfig'), namespace: 'default', args: ['--context', context] });
    onTestFinished(() => client.remove());
    return client;
  };
  return { podium: of('podium'), 'podium-2': of('podium-2') };
}

async function restart(part: string): Promise<void> {
  await restartPart(faults, part);
  await cluster.out('status --wait 20');
}

/** The lines of a `kubectl get --watch`, and when it ends. */
function watching(kubectl: StockClient) {
  const child = kubectl.start('get', 'configmaps', '--selector', 'seen=yes', '--watch', '--output-watch-events', '-o', 'jsonpath={.type} {.object.metadata.name} {.object.data.turn}{"\\n"}');
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  let exitCode: number | undefined;
  child.once('close', (code) => (exitCode = code ?? -1));
  return { lines, exitCode: () => exitCode };
}

/** One write after the other, each by the server whose turn it is, or else by the one that lives. */
class Writer {
  readonly #clients = new Map<number, RestClient>();
  readonly #token = readFileSync(adminTokenFile(cluster.dataDir), 'utf8').trim();
  readonly #ca = readFileSync(join(pkiDir(cluster.dataDir), 'ca.crt'));
  readonly #ports = readCluster(cluster.dataDir)!.parts.filter(isApiServer).map(({ addresses }) => Number(addresses[1]!.split(':')[1]));

  /** Resolves with its version once the object has that turn, by whomever it came to be written. */
  async write(name: string, turn: number): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { seen: 'yes' } }, data: { turn: String(turn) } };
    const path = `/api/v1/namespaces/default/configmaps/${name}?fieldManager=writer&force=true`;
    await cluster.until(`turn ${turn} is written`, 10_000, async () => {
      for (const port of [this.#ports[turn % 2]!, this.#ports[(turn + 1) % 2]!]) {
        const answer = await this.#client(port).request('PATCH', path, { body, type: 'application/apply-patch+yaml' }).catch(() => undefined);
        if (answer?.status === 200 || answer?.status === 201) return true;
      }
      return false;
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #client(port: number): RestClient {
    const known = this.#clients.get(port);
    if (known !== undefined && !known.session.closed && !known.session.destroyed) return known;
    const client = new RestClient(port, this.#ca, { token: this.#token });
    this.#clients.set(port, client);
    return client;
  }
}

test('kubectl get --watch sees every change while the other server is killed and comes back; on the killed one it ends', async ({ skip }) => {
  const kubectl = kubectls(skip);
  const writer = new Writer();
  onTestFinished(() => writer.close());
  const [there, killed] = [watching(kubectl['podium-2']), watching(kubectl.podium)];
  await writer.write('begin', -2);
  await cluster.until('both watch', 10_000, () => Promise.resolve(there.lines.length === 1 && killed.lines.length === 1));
  let back: Promise<void> | undefined;
  for (let turn = 0; turn < WRITES; turn++) {
    await writer.write(`turn-${turn % 7}`, turn);
    if (turn === 30) await killPart(faults, 'apiserver', false);
    if (turn === 60) back = restart('apiserver');
  }
  await back;
  const expected = ['ADDED begin -2', ...Array.from({ length: WRITES }, (_, turn) => `${turn < 7 ? 'ADDED' : 'MODIFIED'} turn-${turn % 7} ${turn}`)];
  await cluster.until('the last change is seen', 10_000, () => Promise.resolve(there.lines.at(-1) === expected.at(-1)));
  expect(there.lines).toEqual(expected);
  expect(there.exitCode()).toBeUndefined();
  await cluster.until('the watch of the killed server ends', 5_000, () => Promise.resolve(killed.exitCode() !== undefined));
  expect(killed.lines).toEqual(expected.slice(0, killed.lines.length));
  expect(killed.lines.length).toBeGreaterThanOrEqual(30);
});

/** Objects that are whole or are not there: `first` and `second` must always be equal. */
function manifest(value: string): string {
  const one = (at: number) => `apiVersion: v1
kind: ConfigMap
metadata: { name: applied-${at}, labels: { applied: 'yes' } }
data: { first: '${value}', second: '${value}' }
`;
  return Array.from({ length: OBJECTS }, (_, at) => one(at)).join('---\n');
}

test.for([
  { way: 'client side', flags: [], ...SERVERS[0] },
  { way: 'server side', flags: ['--server-side', '--force-conflicts'], ...SERVERS[1] },
])('an apply ($way) whose server is killed, repeated with the other: what was declared, nothing half done', async ({ way, flags, part, context, other }, { skip }) => {
  const kubectl = kubectls(skip);
  const file = join(cluster.dataDir, 'many.yaml');
  writeFileSync(file, manifest(way));
  const child = kubectl[context].start('apply', ...flags, '-f', file);
  let [lines, isKilled] = [0, false];
  createInterface({ input: child.stdout }).on('line', () => {
    lines++;
    // While it is sending the next ones.
    if (lines === 10) void killPart(faults, part, false).then(() => (isKilled = true));
  });
  const exitCode = await new Promise((resolve) => child.once('close', resolve));
  expect({ exitCode, isKilled }).toEqual({ exitCode: 1, isKilled: true });
  expect(lines).toBeLessThan(OBJECTS);
  interface Applied {
    readonly items: readonly { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }; readonly data: { readonly first: string; readonly second: string } }[];
  }
  const applied = async () => (await kubectl[other].json<Applied>('get', 'configmaps', '--selector', 'applied=yes')).items;
  const partly = await applied();
  const done = partly.filter(({ data }) => data.first === way);
  // What kubectl was told of, and at most the one whose answer was lost.
  expect([lines, lines + 1]).toContain(done.length);
  expect(partly.filter(({ data }) => data.first !== data.second)).toEqual([]);
  if (flags.length === 0) for (const { metadata, data } of done) expect(metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']).toContain(data.second);
  expect((await kubectl[other].out('apply', ...flags, '-f', file)).trim().split('\n')).toHaveLength(OBJECTS);
  expect((await applied()).map(({ data }) => data)).toEqual(Array.from({ length: OBJECTS }, () => ({ first: way, second: way })));
  await restart(part);
});

test.for(SERVERS)('with $part dead a deployment becomes ready, is scaled and removed', async ({ part, other }, { skip }) => {
  const kubectl = kubectls(skip)[other];
  const name = `without-${part}`;
  await killPart(faults, part, false);
  await kubectl.out('create', 'deployment', name, '--image=podium.dev/host', '--replicas=2', '--', 'sh', '-c', 'echo hears; exec sleep 1000');
  await kubectl.out('rollout', 'status', `deployment/${name}`, '--timeout=30s');
  expect(await kubectl.out('logs', `deployment/${name}`)).toBe('hears\n');
  await kubectl.out('scale', `deployment/${name}`, '--replicas=3');
  await kubectl.out('rollout', 'status', `deployment/${name}`, '--timeout=30s');
  expect(await cluster.out('get nodes')).toMatch(/^node-1 +Ready /m);
  expect((await cluster.out(`get pods -l app=${name}`)).match(/ Running /g)).toHaveLength(3);
  await kubectl.out('delete', 'deployment', name, '--cascade=foreground', '--timeout=30s');
  expect(await cluster.out(`get pods -l app=${name} -o name`)).toBe('');
  await restart(part);
});

test('client-node follows a log as its lines come, to the end', async ({ skip }) => {
  const kubectl = kubectls(skip).podium;
  await kubectl.out('run', 'talker', '--image=podium.dev/host', '--restart=Never', '--command', '--', 'sh', '-c', 'for i in 1 2 3; do echo line $i; sleep 0.3; done');
  await kubectl.out('wait', 'pod/talker', '--for=jsonpath={.status.phase}=Running', '--timeout=20s');
  const config = new k8s.KubeConfig();
  config.loadFromFile(join(cluster.dataDir, 'kubeconfig'));
  const stream = new PassThrough();
  const lines: string[] = [];
  createInterface({ input: stream }).on('line', (line) => lines.push(line));
  let isOver = false;
  stream.once('end', () => (isOver = true));
  await new k8s.Log(config).log('default', 'talker', 'talker', stream, { follow: true });
  await cluster.until('the log ends', 20_000, () => Promise.resolve(isOver));
  expect(lines).toEqual(['line 1', 'line 2', 'line 3']);
});
