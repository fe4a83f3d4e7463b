/**
 * The whole of Podium but its store: API server, scheduler, controllers and a node agent on a real etcd, as processes.
 * The API server is started by its flags, the others by what `podium up` would have written for them.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { parseConfig } from '../../src/cluster/config.ts';
import { ensureCredentials, writeKubeconfig } from '../../src/cluster/credentials.ts';
import { pkiDir, serviceAccountKeyFile, tokensFile } from '../../src/cluster/data-dir.ts';
import { killPods } from '../../src/cluster/faults.ts';
import { planCluster } from '../../src/cluster/parts.ts';
import { findTool, freePorts, MemberProcess, requireTool, ROOT } from '../processes.ts';
import { until } from '../until.ts';
import type { Result } from './cluster.ts';
import { StockClient } from './stock-client.ts';

const DEADLINE_MS = 30_000;

/** Starts them all, and answers where kubectl finds its configuration. */
async function startOn(etcd: string): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'podium-etcd-'));
  const [clientPort, peerPort, grpcPort, restPort, scheduler, controllers, node] = await freePorts(7);
  const { config } = parseConfig(
    `store: { members: [{ name: etcd, clientPort: ${clientPort}, peerPort: ${peerPort} }] }
apiServer: { grpcPort: ${grpcPort}, restPort: ${restPort} }
scheduler: { port: ${scheduler} }
controllers: { port: ${controllers} }
nodes: [{ name: node-1, port: ${node}, runtime: process }]
`,
    'etcd.long.test.ts',
  );
  const entry = join(ROOT, 'dist', 'src', 'main.js');
  const plan = planCluster({ config, dataDir, clusterId: 'e7cd', portBase: 0, insecure: false, entry, node: process.execPath });
  await ensurePki(pkiDir(dataDir), plan.identities, new Date(systemClock.wall()));
  ensureCredentials(dataDir);
  writeKubeconfig(dataDir, [restPort!]);
  mkdirSync(join(dataDir, 'parts'));
  for (const [name, part] of plan.configs) {
    writeFileSync(join(dataDir, 'parts', `${name}.json`), JSON.stringify(part));
    if (part.node !== undefined) mkdirSync(part.dataDir);
  }
  const own = tlsFiles(pkiDir(dataDir), 'apiserver');
  const apiServer = [
    ...['--etcd-servers', `https://127.0.0.1:${clientPort}`, '--etcd-cafile', own.caFile, '--etcd-certfile', own.certFile, '--etcd-keyfile', own.keyFile],
    ...['--tls-cert-file', own.certFile, '--tls-private-key-file', own.keyFile, '--client-ca-file', own.caFile, '--token-auth-file', tokensFile(dataDir)],
    ...['--service-account-signing-key-file', serviceAccountKeyFile(dataDir), '--secure-port', String(restPort), '--grpc-port', String(grpcPort)],
    ...['--service-cluster-ip-range', plan.configs.get('apiserver')!.serviceCidr],
  ];
  const members = plan.specs.map(({ name, command, args, addresses }) => {
    const verb = args.indexOf(entry) + 1;
    // A member of the store is started by etcd's own flags, whoever it is.
    if (name === 'etcd') return { name, command: etcd, args: args.slice(verb + 1), addresses };
    if (name === 'apiserver') return { name, command, args: [entry, 'apiserver', ...apiServer], addresses };
    return { name, command, args, addresses };
  });
  const parts = members.map(({ name, command, args, addresses }) => new MemberProcess({ name, command, args, clientAddress: addresses[0]!, dataDir }));
  onTestFinished(async () => {
    // The agent first, so that it does not start anew what is ended behind it.
    for (const part of parts.reverse()) await part.stop();
    await killPods({ dataDir, clock: systemClock }, 'node-1');
    rmSync(dataDir, { recursive: true, force: true });
  });
  for (const part of parts) part.start();
  onTestFinished(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(parts.map(({ name, output }) => `--- ${name}\n${output.slice(-2_000)}\n`).join(''));
  });
  return join(dataDir, 'kubeconfig');
}

async function eventually(wanted: RegExp, run: () => Promise<Result>): Promise<void> {
  let last: Result | undefined;
  await until(() => `${String(wanted)}\n${last?.stdout}${last?.stderr}`, async () => wanted.test((last = await run()).stdout), DEADLINE_MS);
}

test('on a real etcd: a deployment is rolled out, scaled, updated and removed', async ({ skip }) => {
  const program = requireTool('kubectl', skip);
  const etcd = findTool('etcd-current') ?? requireTool('etcd', skip);
  const kubectl = new StockClient({ program, kubeconfig: await startOn(etcd), namespace: 'default' });
  onTestFinished(() => kubectl.remove());
  await eventually(/^node-1 +Ready /m, () => kubectl.run('get', 'nodes'));
  const version = ['sh', '-c', 'echo $0 runs; exec sleep 1000'];
  await kubectl.out('create', 'deployment', 'web', '--image=podium.dev/host', '--replicas=2', '--', ...version, 'one');
  await kubectl.out('rollout', 'status', 'deployment/web', '--timeout=30s');
  await kubectl.out('expose', 'deployment', 'web', '--port=80');
  await kubectl.out('scale', 'deployment/web', '--replicas=3');
  await kubectl.out('rollout', 'status', 'deployment/web', '--timeout=30s');
  expect(await kubectl.out('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].status.phase}')).toBe('Running Running Running');
  const patch = [{ op: 'replace', path: '/spec/template/spec/containers/0/command/3', value: 'two' }];
  await kubectl.out('patch', 'deployment', 'web', '--type=json', '-p', JSON.stringify(patch));
  await kubectl.out('rollout', 'status', 'deployment/web', '--timeout=30s');
  // A pod that is ending may still be there, and be asked.
  await eventually(/^two runs\n$/, () => kubectl.run('logs', 'deployment/web'));
  await kubectl.out('rollout', 'undo', 'deployment/web');
  await kubectl.out('rollout', 'status', 'deployment/web', '--timeout=30s');
  await eventually(/^one runs\n$/, () => kubectl.run('logs', 'deployment/web'));
  await kubectl.out('delete', 'deployment,service', 'web', '--cascade=foreground', '--timeout=30s');
  expect(await kubectl.out('get', 'pods,replicasets,endpointslices', '-l', 'app=web', '-o', 'name')).toBe('');
});
