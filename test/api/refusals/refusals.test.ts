/** Every bad request is refused as a real kube-apiserver refuses it (answers.json, by record.ts), and writes nothing. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startRest, type RestFixture } from '../rest/fixture.ts';
import { ask, type Answer, type Send } from './answer.ts';
import { DIFFERENCES } from './differences.ts';
import { BAD_REQUESTS } from './requests.ts';

const EXPECTED = JSON.parse(readFileSync(new URL('./answers.json', import.meta.url), 'utf8')) as Readonly<Record<string, Answer>>;

/** Sends, and remembers what a refused request left behind. */
function sender({ client, store }: RestFixture): { send: Send; written: string[] } {
  const http = client();
  const written: string[] = [];
  const send: Send = async ({ method, path, body, type }) => {
    const before = store.revision;
    const { status, text } = await http.request(method, path, { ...(body === undefined ? {} : { bytes: Buffer.from(body) }), ...(type === undefined ? {} : { type }) });
    if (status >= 400 && store.revision !== before) written.push(`${method} ${path}`);
    return { code: status, text };
  };
  return { send, written };
}

/** The order in which causes are found is not promised. */
const comparable = ({ code, reason, causes }: Answer) => ({ code, reason, causes: causes.map(({ field, reason: why }) => `${field} ${why}`).sort() });

test('bad requests are refused as Kubernetes refuses them, and nothing is half written', async () => {
  const fixture = await startRest();
  const { send, written } = sender(fixture);
  const wrong: Record<string, unknown> = {};
  for (const request of BAD_REQUESTS) {
    const [ours, real] = [await ask(send, request), EXPECTED[request.name]];
    if (real === undefined) throw new Error(`no answer was recorded of ${request.name}`);
    const isSame = JSON.stringify(comparable(ours)) === JSON.stringify(comparable(real));
    const isWordForWord = isSame && ours.message === real.message;
    const difference = DIFFERENCES[request.name];
    const isAsSaid = difference === undefined ? isWordForWord : difference.in === 'words' ? isSame && !isWordForWord : !isSame;
    if (!isAsSaid) wrong[request.name] = { ours, real, difference };
  }
  expect(wrong).toEqual({});
  expect(written).toEqual([]);
}, 60_000);

test('the list of differences names requests', () => {
  const names = new Set(BAD_REQUESTS.map(({ name }) => name));
  expect(Object.keys(DIFFERENCES).filter((name) => !names.has(name))).toEqual([]);
});
