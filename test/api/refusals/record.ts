/**
 * Asks a real kube-apiserver every bad request and writes down what it answers, for refusals.test.ts. It is run by hand,
 * when requests were added or another Kubernetes is the measure:
 *
 *     node dist/test/api/refusals/record.js https://127.0.0.1:6443 ca.crt TOKEN [pattern of names]
 *
 * against an otherwise empty server without controllers, started with `--token-auth-file`,
 * `--service-cluster-ip-range=10.96.0.0/16`, `--allow-privileged=true` and `--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { ask, type Answer, type Send } from './answer.ts';
import { BAD_REQUESTS } from './requests.ts';

const FILE = 'test/api/refusals/answers.json';
const [server = '', caFile = '', token = '', pattern = ''] = process.argv.slice(2);
const agent = new Agent({ ca: readFileSync(caFile), keepAlive: true });

const send: Send = ({ method, path, body, type }) =>
  new Promise((resolve, reject) => {
    // Of a deletion Node would not say by itself that there is a body.
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const headers = { authorization: `Bearer ${token}`, ...length, ...(type === undefined ? {} : { 'content-type': type }) };
    const request = httpsRequest(`${server}${path}`, { method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });

const known = pattern === '' ? {} : (JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Answer>);
const answers: Record<string, Answer> = {};
for (const request of BAD_REQUESTS) {
  const { name } = request;
  if (name in answers) throw new Error(`two requests are called ${name}`);
  const old = new RegExp(pattern).test(name) ? undefined : known[name];
  answers[name] = old ?? (await ask(send, request));
}
const accepted = Object.entries(answers).filter(([, { code }]) => code < 400);
const lines = Object.entries(answers).map(([name, answer]) => `  ${JSON.stringify(name)}: ${JSON.stringify(answer)}`);
writeFileSync(FILE, `{\n${lines.join(',\n')}\n}\n`);
console.log(`${lines.length} answers, of which accepted: ${accepted.map(([name]) => name).join('; ')}`);
agent.destroy();
