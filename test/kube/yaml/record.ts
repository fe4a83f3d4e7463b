/**
 * Writes test/golden/yaml anew: `PODIUM_KUBE_APISERVER=path node dist/test/kube/yaml/record.js` starts a real kube-apiserver and asks
 * it what it makes of each case.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { isRecord } from '../../../src/kube/types.ts';
import { KubeApiserver } from '../../api-conformance/kube-apiserver.ts';
import type { RestClient } from '../../api/rest/fixture.ts';
import { CASES, HEAD, type Recorded } from './cases.ts';

const PATH = '/apis/apps/v1/namespaces/default/controllerrevisions?dryRun=All&fieldValidation=';

async function ask(rest: RestClient, text: string): Promise<Recorded> {
  const send = (validation: string) => rest.request('POST', PATH + validation, { bytes: Buffer.from(HEAD + text), type: 'application/yaml' });
  const [read, strict] = [await send('Ignore'), await send('Strict')];
  if (read.status !== 201) return { text, refused: read.body.message.replace(/ \([0-9a-f]+ \.\.\.\)$/, '') };
  const document: unknown = JSON.parse(read.text);
  const said = strict.status === 201 ? [] : [...strict.body.message.matchAll(/line \d+: key [^\n]* already set in map/g)].map(([line]) => line);
  return { text, data: isRecord(document) ? document['data'] : undefined, ...(said.length === 0 ? {} : { repeated: said }) };
}

const program = process.env['PODIUM_KUBE_APISERVER'];
if (program === undefined) throw new Error('PODIUM_KUBE_APISERVER is the path of a kube-apiserver');
const server = await KubeApiserver.start(program);
try {
  const { rest } = server.subject('rest', 'default');
  const lines: string[] = [];
  for (const text of CASES) lines.push(JSON.stringify(await ask(rest, text)));
  mkdirSync('test/golden/yaml', { recursive: true });
  writeFileSync('test/golden/yaml/answers.jsonl', `${lines.join('\n')}\n`);
  process.stdout.write(`${lines.length} cases\n`);
} finally {
  await server.stop();
}
