/** How much a server takes at a time: what is too much is refused, and told when to come again. */
import { expect } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { answerOf, type Answer } from '../api/rest/fixture.ts';
import { statusOf, type ApiWatch } from './api.ts';
import { configMap } from './manifests.ts';
import { RestApi, docOf, pathOf } from './rest-api.ts';
import type { Case } from './subject.ts';

const ONLY_REST = { grpc: 'it is for the parts of the cluster, which are known; their calls are not counted' };
const PATIENCE_MS = 10_000;

/** Asks until it is answered so; the last answer. */
async function until(code: number, ask: () => Promise<Answer>): Promise<Answer> {
  const deadline = systemClock.monotonic() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer.status === code) return answer;
    if (systemClock.monotonic() > deadline) throw new Error(`answered ${answer.status} and not ${code}: ${answer.text}`);
    await sleep(systemClock, 10);
  }
}

/** Asks for a watch until it is let in. */
async function opened(open: () => ApiWatch): Promise<ApiWatch> {
  const deadline = systemClock.monotonic() + PATIENCE_MS;
  for (;;) {
    const watch = open();
    const first = await watch.next();
    if (first?.type !== 'ERROR') return watch;
    if (systemClock.monotonic() > deadline) throw new Error(`not let in: ${JSON.stringify(first.object)}`);
    await sleep(systemClock, 10);
  }
}

export const limitCases: readonly Case[] = [
  {
    name: '429: more writes at work than may be, and when to come again',
    not: ONLY_REST,
    async run({ traits, at, limited }) {
      const path = pathOf(at('configmaps'));
      await limited({ mutating: 1 }, async ({ rest, viewer }) => {
        // Half a body keeps a request at work.
        const text = JSON.stringify(configMap('slow'));
        const slow = rest.session.request({ ':method': 'POST', ':path': path, authorization: 'Bearer admin-token', 'content-type': 'application/json' }, { endStream: false });
        slow.write(text.slice(0, 10));
        const answered = answerOf(slow);
        // An administrator is let in by Kubernetes all the same; whoever may do nothing is refused for that, where there is room.
        const write = () => viewer.request('POST', path, { body: configMap('b') });
        const refused = await until(429, write);
        expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
        if (!traits.includes('kube-apiserver')) {
          expect(statusOf(refused.body)).toMatchObject({ code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 1 } });
        }
        expect((await rest.get(path)).status).toBe(200);
        slow.end(text.slice(10));
        expect((await answered).status).toBe(201);
        await until(403, write);
        expect(docOf(await rest.get(`${path}/slow`)).metadata.name).toBe('slow');
      });
    },
  },
  {
    name: '429: more watches than may be open, until one is closed',
    not: { ...ONLY_REST, 'kube-apiserver': 'its watches take a seat only while they begin' },
    async run({ at, limited }) {
      const path = `${pathOf(at('configmaps'))}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`;
      await limited({ watches: 2 }, async ({ rest }) => {
        const api = new RestApi(rest);
        const open = [api.watchPath(path), api.watchPath(path)];
        for (const watch of open) expect((await watch.next())!.type).toBe('BOOKMARK');
        const refused = await rest.get(path);
        expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
        expect(statusOf(refused.body)).toMatchObject({ reason: 'TooManyRequests', message: '2 watches are open on this server', details: { retryAfterSeconds: 1 } });
        open[0]!.close();
        const third = await opened(() => api.watchPath(path));
        third.close();
        open[1]!.close();
      });
    },
  },
];
