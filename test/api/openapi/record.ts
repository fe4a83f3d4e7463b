/** Writes test/golden/openapi anew: `PODIUM_KUBE_APISERVER=path node dist/test/api/openapi/record.js` asks a real kube-apiserver. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { documentPath, groupVersionsOf } from '../../../src/api/core/openapi.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { KubeApiserver } from '../../api-conformance/kube-apiserver.ts';
import { operationLines } from './operations.ts';

const program = process.env['PODIUM_KUBE_APISERVER'];
if (program === undefined) throw new Error('PODIUM_KUBE_APISERVER is the path of a kube-apiserver');
const server = await KubeApiserver.start(program);
try {
  const { rest } = server.subject('rest', 'default');
  const kinds = builtInKinds({ evictionTolerationSeconds: 300 }).map(({ info }) => ({ info, verbs: [], subresources: [] }));
  const paths = [...groupVersionsOf(kinds).map(documentPath), 'apis/authentication.k8s.io/v1', 'apis/authorization.k8s.io/v1'];
  const lines: string[] = [];
  for (const path of paths) lines.push(...operationLines(JSON.parse((await rest.get(`/openapi/v3/${path}`)).text)));
  // Deprecated since 1.11, and the discovery that every version begins with: neither is in ours.
  const kept = lines.filter((line) => !/^get \S+(?:\/watch\/|\/:)/.test(line));
  mkdirSync('test/golden/openapi', { recursive: true });
  writeFileSync('test/golden/openapi/operations.txt', `${kept.join('\n')}\n`);
} finally {
  await server.stop();
}
