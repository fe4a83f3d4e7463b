/**
 * Writes test/golden/defaults anew: `node dist/test/api/defaults/record.js --server https://127.0.0.1:6443 --token T`, against
 * a real kube-apiserver of an empty cluster, started with
 * --disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection,TaintNodesByCondition (what controllers undo that are not
 * there), and with a token of system:masters.
 */
import { Agent, request } from 'node:https';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isRecord } from '../../../src/kube/types.ts';
import { kindOf, masked, namespaceOf, refusalOf, type Answer } from './answer.ts';
import { SUBJECTS, type Manifest, type Subject } from './objects.ts';

const { values } = parseArgs({ options: { server: { type: 'string', default: 'https://127.0.0.1:6443' }, token: { type: 'string', default: 'admin' } } });
// Its certificate is its own, and what it says is read by a person before it counts.
const agent = new Agent({ rejectUnauthorized: false, keepAlive: true });

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

function call(method: string, path: string, body?: object, type = 'application/json'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = { authorization: `Bearer ${values.token}`, 'content-type': type, 'content-length': Buffer.byteLength(text) };
    const sent = request(values.server + path, { method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const read: unknown = JSON.parse(Buffer.concat(chunks).toString());
        resolve({ status: response.statusCode ?? 0, body: isRecord(read) ? read : {} });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

function pathOf(manifest: Manifest): string {
  const { info } = kindOf(manifest);
  const namespace = info.namespaced ? `namespaces/${namespaceOf(manifest)}/` : '';
  return `/${info.group === '' ? 'api' : 'apis'}/${manifest.apiVersion}/${namespace}${info.resource}`;
}

const causesOf = ({ body }: Reply): unknown => (isRecord(body['details']) ? body['details']['causes'] : undefined);

async function ask({ object, changes }: Subject): Promise<Answer> {
  const path = pathOf(object);
  const made = await call('POST', path, object);
  if (made.status !== 201) return { refused: refusalOf(made.status, causesOf(made)), changes: [] };
  const answers: Answer['changes'][number][] = [];
  for (const change of changes) {
    const reply = await call('PATCH', `${path}/${object.metadata.name}?dryRun=All`, change, 'application/merge-patch+json');
    answers.push(reply.status === 200 ? 'ok' : refusalOf(reply.status, causesOf(reply)));
  }
  await call('DELETE', `${path}/${object.metadata.name}`, { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, propagationPolicy: 'Background' });
  // Some are kept until a controller that is not there has seen them.
  await call('PATCH', `${path}/${object.metadata.name}`, { metadata: { finalizers: null } }, 'application/merge-patch+json');
  if (object.kind === 'Namespace') await call('PUT', `${path}/${object.metadata.name}/finalize`, { ...object, spec: {} });
  return { stored: masked(made.body), changes: answers };
}

const CSR = process.env["CSR"] ?? "";
const lines: string[] = [];
for (const one of SUBJECTS) {
  const text = JSON.stringify(one).replace("REQUEST", CSR);
  const subject = JSON.parse(text) as Subject; // what it was
  const answer = await ask(subject);
  lines.push(JSON.stringify({ subject, answer }));
  const said = answer.refused === undefined ? `${answer.changes.filter((change) => change !== 'ok').length} of ${subject.changes.length} changes refused` : `REFUSED ${JSON.stringify(answer.refused)}`;
  process.stdout.write(`${subject.object.kind}: ${said}\n`);
}
mkdirSync('test/golden/defaults', { recursive: true });
writeFileSync('test/golden/defaults/objects.jsonl', `${lines.join('\n')}\n`);
agent.destroy();
