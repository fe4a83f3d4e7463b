/** How much a server takes at a time: what is too much is refused, and told when to come again. */
import { expect } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { answerOf, type Answer } from '../api/rest/fixture.ts';
import { refusedWith, textOf, type ApiWatch } from './api.ts';
import { configMap } from './manifests.ts';
import { RestApi, docOf, pathOf } from './rest-api.ts';
import type { Case } from './subject.ts';

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

/** Asks for a watch until it is refused for this. */
async function refusedFor(code: number, open: () => ApiWatch): Promise<void> {
  const deadline = systemClock.monotonic() + PATIENCE_MS;
  for (;;) {
    const status = await open().refused();
    if (status.code === code) return;
    if (systemClock.monotonic() > deadline) throw new Error(`refused with ${textOf(status)}`);
    await sleep(systemClock, 10);
  }
}

export const limitCases: readonly Case[] = [
  {
    name: '429: more writes at work than may be, through whichever face, and when to come again',
    async run({ traits, at, limited }) {
      const path = pathOf(at('configmaps'));
      await limited({ mutating: 1 }, async ({ rest, viewer, api, stranger }) => {
        // Half a body keeps a request at work.
        const text = JSON.stringify(configMap('slow'));
        const slow = rest.session.request({ ':method': 'POST', ':path': path, authorization: 'Bearer admin-token', 'content-type': 'application/json' }, { endStream: false });
        slow.write(text.slice(0, 10));
        const answered = answerOf(slow);
        // Whoever may do nothing is refused for that, where there is room.
        const write = () => viewer.request('POST', path, { body: configMap('b') });
        const refused = await until(429, write);
        expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
        if (!traits.includes('kube-apiserver')) {
          const status = await refusedWith(stranger.create(at('configmaps'), configMap('b')));
          expect(status).toMatchObject({ code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 1 } });
        }
        // An administrator is let in all the same, and a read is something else.
        expect((await api.create(at('configmaps'), configMap('c'))).object.metadata.name).toBe('c');
        expect((await rest.get(path)).status).toBe(200);
        slow.end(text.slice(10));
        expect((await answered).status).toBe(201);
        await until(403, write);
        expect(docOf(await rest.get(`${path}/slow`)).metadata.name).toBe('slow');
      });
    },
  },
  {
    name: '429: more watches than may be open, through whichever face, until one is closed',
    not: { 'kube-apiserver': 'its watches take a seat only while they begin' },
    async run({ at, limited }) {
      const begin = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true };
      await limited({ watches: 2 }, async ({ rest, api, stranger }) => {
        const open = [api.watch(at('configmaps'), begin), new RestApi(rest).watch(at('configmaps'), begin)];
        for (const watch of open) expect((await watch.next())!.type).toBe('BOOKMARK');
        const status = await stranger.watch(at('configmaps'), begin).refused();
        expect(status).toMatchObject({ code: 429, reason: 'TooManyRequests', message: '2 watches are open on this server', details: { retryAfterSeconds: 1 } });
        // Whom the cluster needs is let in.
        const third = api.watch(at('configmaps'), begin);
        expect((await third.next())!.type).toBe('BOOKMARK');
        third.close();
        open[0]!.close();
        await refusedFor(403, () => stranger.watch(at('configmaps'), begin));
        open[1]!.close();
      });
    },
  },
];
