/**
 * Stock kubectl on a real cluster: test/golden/kubectl/*.txt, each a session in a namespace of its own. `-u` writes what
 * was printed anew: read the diff, for an expectation is what Kubernetes prints.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test, type ExpectStatic } from 'vitest';
import { probeIsolation } from '../../src/cluster/isolation.ts';
import { ProcessCluster } from '../e2e/cluster.ts';
import { requireTool, ROOT } from '../processes.ts';
import { Shell } from './shell.ts';
import { formatCommand, parseTranscript, type Command } from './transcript.ts';

const FOLDER = join(ROOT, 'test', 'golden', 'kubectl');
/** Sessions drain a node only when nobody else has pods there. */
const ALONE = 'nodes.txt';
const NODES = 2;

/** What a person sees of a container is the same on every runtime: these are played on another one, too. */
const ON_LINUX = ['logs.txt', 'streams.txt'];

/** Nothing leads out of it. */
const config = (runtime: string, nodes: number) => `
network: { egress: none }
nodes:
${Array.from({ length: nodes }, (_, at) => `  - { name: node-${at + 1}, port: ${10_250 + at}, runtime: ${runtime} }`).join('\n')}
`;
const isolation = probeIsolation();
const cluster = new ProcessCluster();
const onLinux = new ProcessCluster(1);

beforeAll(async () => {
  await cluster.up(config('process', NODES));
  if (isolation.ok) await onLinux.up(config('linux', NODES));
});

afterAll(async () => {
  await cluster.remove();
  await onLinux.remove();
});

async function play(on: ProcessCluster, file: string, { expect, skip }: { readonly expect: ExpectStatic; readonly skip: (reason: string) => void }): Promise<void> {
  // The session of an older kubectl has its version behind an @.
  const [namespace = '', version] = file.replace(/\.txt$/, '').split('@');
  const kubectl = requireTool(version === undefined ? 'kubectl' : `kubectl-${version}`, skip);
  const shell = new Shell({ kubectl, kubeconfig: join(on.dataDir, 'kubeconfig'), namespace });
  const path = join(FOLDER, file);
  const commands = parseTranscript(readFileSync(path, 'utf8'));
  await on.until('the nodes are ready', 30_000, async () => (await shell.run('kubectl get nodes')).match(/ Ready /g)?.length === NODES);
  await shell.run(`kubectl create namespace ${namespace}`);
  // What controllers put into every namespace is in its lists from the first command on.
  await cluster.until('the namespace has what is its own', 30_000, async () => (await shell.run('kubectl get configmap/kube-root-ca.crt serviceaccount/default -o name')).includes('serviceaccount/default'));
  const found: Command[] = [];
  for (const command of commands) found.push({ ...command, output: await shell.run(command.line) });
  await shell.run(`kubectl delete namespace ${namespace}`);
  shell.remove();
  await expect(`${found.map(formatCommand).join('').trimEnd()}\n`).toMatchFileSnapshot(path);
}

const files = readdirSync(FOLDER).sort();
test.concurrent.for(files.filter((file) => file !== ALONE))('%s', (file, context) => play(cluster, file, context));
test.concurrent.for(ON_LINUX)('%s, on linux', (file, context) => {
  if (!isolation.ok) context.skip(isolation.why);
  return play(onLinux, file, context);
});
test(ALONE, (context) => play(cluster, ALONE, context));
