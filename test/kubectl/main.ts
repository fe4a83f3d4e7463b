/**
 * Transcripts by hand, against any API server: prints each command with what came of it, masked, as the goldens have it.
 *
 *   node dist/test/kubectl/main.js --kubeconfig .podium/kubeconfig [--kubectl PATH] FILE...
 *
 * With the kubeconfig of a kube-apiserver, a diff with the golden shows where the two answer differently.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { findTool } from '../processes.ts';
import { Shell } from './shell.ts';
import { formatCommand, parseTranscript } from './transcript.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kubeconfig: { type: 'string' }, kubectl: { type: 'string' } },
});
for (const file of positionals) {
  const namespace = basename(file, '.txt').split('@')[0]!;
  const kubectl = values.kubectl ?? findTool('kubectl') ?? 'kubectl';
  const shell = new Shell({ kubectl, kubeconfig: values.kubeconfig ?? '.podium/kubeconfig', namespace });
  await shell.run(`kubectl create namespace ${namespace}`);
  for (const command of parseTranscript(readFileSync(file, 'utf8'))) {
    process.stdout.write(formatCommand({ ...command, output: await shell.run(command.line) }));
  }
  // An API server alone ends no namespace: there, each run needs files of other names.
  await shell.run(`kubectl delete namespace ${namespace} --wait=false`);
  shell.remove();
}
