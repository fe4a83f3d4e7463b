/**
 * Stock kubectl on a real cluster: test/golden/kubectl/*.txt, each a session in a namespace of its own. `-u` (or
 * UPDATE_GOLDEN=1) writes what was printed anew: read the diff, for an expectation is what Kubernetes prints.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProcessCluster } from '../e2e/cluster.ts';
import { requireTool, ROOT } from '../processes.ts';
import { Shell } from './shell.ts';
import { formatCommand, parseTranscript } from './transcript.ts';

const FOLDER = join(ROOT, 'test', 'golden', 'kubectl');
const isUpdate = process.env['UPDATE_GOLDEN'] === '1' || process.argv.some((arg) => arg === '-u' || arg.startsWith('--update'));

let cluster: ProcessCluster | undefined;

beforeAll(async () => {
  cluster = new ProcessCluster();
  await cluster.up();
});

afterAll(async () => {
  await cluster?.remove();
});

test.for(readdirSync(FOLDER).sort())('%s', async (file, { skip }) => {
  // A transcript of an older kubectl has its version behind an @.
  const [namespace = '', version] = file.replace(/\.txt$/, '').split('@');
  const kubectl = requireTool(version === undefined ? 'kubectl' : `kubectl-${version}`, skip);
  const shell = new Shell({ kubectl, kubeconfig: join(cluster!.dataDir, 'kubeconfig'), namespace });
  const path = join(FOLDER, file);
  const expected = parseTranscript(readFileSync(path, 'utf8'));
  await cluster!.until('the nodes are ready', 30_000, async () => (await shell.run('kubectl get nodes')).match(/ Ready /g)?.length === 2);
  await shell.run(`kubectl create namespace ${namespace}`);
  const found = [];
  for (const command of expected) found.push({ ...command, output: await shell.run(command.line) });
  await shell.run(`kubectl delete namespace ${namespace}`);
  shell.remove();
  const text = found.map(formatCommand).join('').trimEnd();
  if (isUpdate) writeFileSync(path, `${text}\n`);
  else expect(text).toBe(expected.map(formatCommand).join('').trimEnd());
});
