/** Writes test/golden/tables anew: `PODIUM_KUBE_APISERVER=path node dist/test/api/tables/record.js` asks a real kube-apiserver. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { KubeApiserver } from '../../api-conformance/kube-apiserver.ts';
import { RestApi } from '../../api-conformance/rest-api.ts';
import { namesOf } from './columns.ts';

const program = process.env['PODIUM_KUBE_APISERVER'];
if (program === undefined) throw new Error('PODIUM_KUBE_APISERVER is the path of a kube-apiserver');
const server = await KubeApiserver.start(program);
try {
  const api = new RestApi(server.subject('rest', 'default').rest);
  const columns: Record<string, readonly string[]> = {};
  for (const { info } of builtInKinds({ evictionTolerationSeconds: 300 })) {
    const { group, version, resource } = info;
    const table = await api.table({ group, version, resource, namespace: '', name: '', subresource: '' }, { limit: 1 });
    columns[[group, version, resource].join('/')] = namesOf(table.columnDefinitions ?? []);
  }
  mkdirSync('test/golden/tables', { recursive: true });
  const lines = Object.entries(columns).map(([kind, names]) => `  ${JSON.stringify(kind)}: ${JSON.stringify(names)}`);
  writeFileSync('test/golden/tables/columns.json', `{\n${lines.join(',\n')}\n}\n`);
} finally {
  await server.stop();
}
