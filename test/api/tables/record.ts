/** Writes test/golden/tables anew: `PODIUM_KUBE_APISERVER=path node dist/test/api/tables/record.js` asks a real kube-apiserver. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { componentStatus } from '../../../src/api/kinds/component-status.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { KubeApiserver } from '../../api-conformance/kube-apiserver.ts';
import { RestApi } from '../../api-conformance/rest-api.ts';
import { SUBJECTS } from '../defaults/objects.ts';
import { AS_TABLE, cellsOf, creationPath, lineOf } from './columns.ts';
import { OBJECTS } from './objects.ts';

const program = process.env['PODIUM_KUBE_APISERVER'];
if (program === undefined) throw new Error('PODIUM_KUBE_APISERVER is the path of a kube-apiserver');
const server = await KubeApiserver.start(program);
try {
  const api = new RestApi(server.subject('rest', 'default').rest);
  const columns: Record<string, readonly string[]> = {};
  for (const { info } of [...builtInKinds({ evictionTolerationSeconds: 300 }), componentStatus]) {
    const { group, version, resource } = info;
    const table = await api.table({ group, version, resource, namespace: '', name: '', subresource: '' }, { limit: 1 });
    columns[[group, version, resource].join('/')] = (table.columnDefinitions ?? []).map(lineOf);
  }
  mkdirSync('test/golden/tables', { recursive: true });
  const lines = Object.entries(columns).map(([kind, names]) => `  ${JSON.stringify(kind)}: ${JSON.stringify(names)}`);
  writeFileSync('test/golden/tables/columns.json', `{\n${lines.join(',\n')}\n}\n`);
  const rows: string[] = [];
  for (const object of [...SUBJECTS.map((subject) => subject.object), ...OBJECTS]) {
    const answer = await server.subject('rest', 'default').rest.request('POST', creationPath(object), { body: object, headers: AS_TABLE });
    rows.push(`  ${JSON.stringify([object.kind, ...cellsOf(answer)])}`);
  }
  writeFileSync('test/golden/tables/cells.json', `[\n${rows.join(',\n')}\n]\n`);
} finally {
  await server.stop();
}
