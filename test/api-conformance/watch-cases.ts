/** Watches: from each kind of version, selectors that objects enter and leave, the state to begin with, and their end. */
import { expect } from 'vitest';
import { lineOf, statusOf, textOf, type ApiWatch, type Frame } from './api.ts';
import { configMap, pod } from './manifests.ts';
import { hastened, type Case, type Subject } from './subject.ts';

const BOOKMARK_MS = 60_000;
const END = 'k8s.io/initial-events-end';

const create = ({ api, at }: Subject, name: string, metadata: object = {}) => api.create(at('configmaps'), configMap(name, { a: '1' }, metadata));
const relabel = ({ api, at }: Subject, name: string, labels: object) => api.patch(at('configmaps', name), 'merge', { metadata: { labels } });
const versionOf = async ({ api, at }: Subject) => (await api.list(at('configmaps'))).resourceVersion;

/** What is asked of the server's cache from now on is not older than now. */
const caughtUp = async (subject: Subject) => subject.api.list(subject.at('configmaps'), { resourceVersion: await versionOf(subject) });

/** `ADDED a@12` */
const placed = ({ type, object }: Frame) => `${type} ${object.metadata.name}@${object.metadata.resourceVersion}`;

async function placedLines(watch: ApiWatch, count: number): Promise<string[]> {
  const lines: string[] = [];
  while (lines.length < count) lines.push(placed(await watch.event()));
  return lines;
}

const fromVersion: readonly Case[] = [
  {
    name: 'watch: behind a version, what happened since, as it happened',
    async run(subject) {
      const { api, at } = subject;
      const first = (await create(subject, 'a')).object.metadata.resourceVersion;
      const b = (await create(subject, 'b')).object.metadata.resourceVersion;
      const changed = (await api.patch(at('configmaps', 'a'), 'merge', { data: { a: '2' } })).object.metadata.resourceVersion;
      const watch = api.watch(at('configmaps'), { resourceVersion: first });
      expect(await placedLines(watch, 2)).toEqual([`ADDED b@${b}`, `MODIFIED a@${changed}`]);
      await api.delete(at('configmaps', 'b'));
      const gone = await watch.event();
      // As it last was, at the revision at which it went.
      expect([gone.type, gone.object.metadata.name, gone.object.data, Number(gone.object.metadata.resourceVersion) > Number(changed)]).toEqual(['DELETED', 'b', { a: '1' }, true]);
      const c = (await create(subject, 'c')).object.metadata.resourceVersion;
      expect(await placedLines(watch, 1)).toEqual([`ADDED c@${c}`]);
      const resumed = api.watch(at('configmaps'), { resourceVersion: gone.object.metadata.resourceVersion });
      expect(await placedLines(resumed, 1)).toEqual([`ADDED c@${c}`]);
      watch.close();
      resumed.close();
    },
  },
  {
    name: 'watch: without a version and at 0 it begins with what is there',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'b');
      await create(subject, 'a');
      await caughtUp(subject);
      for (const query of [{}, { resourceVersion: '0' }]) {
        const watch = api.watch(at('configmaps'), query);
        expect((await watch.take(2)).sort()).toEqual(['ADDED a', 'ADDED b']);
        const name = `later${query.resourceVersion ?? ''}`;
        await create(subject, name);
        expect(await watch.take(1)).toEqual([`ADDED ${name}`]);
        await api.delete(at('configmaps', name));
        await caughtUp(subject);
        watch.close();
      }
    },
  },
  {
    name: 'watch: of the newest version, nothing of before',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      const watch = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject) });
      await create(subject, 'b');
      expect(await watch.take(1)).toEqual(['ADDED b']);
      watch.close();
    },
  },
  {
    name: 'watch: a version of the future is waited for',
    async run(subject) {
      const { api, at } = subject;
      const version = Number((await create(subject, 'a')).object.metadata.resourceVersion);
      const watch = api.watch(at('configmaps'), { resourceVersion: String(version + 1_000_000), timeoutSeconds: 2 });
      await create(subject, 'b');
      expect(await hastened(subject, watch.rest())).toEqual([]);
    },
  },
  {
    name: 'watch: a version that is none',
    not: { 'kube-apiserver': 'it answers 500 without a reason, and what is at fault is the request' },
    async run({ api, at }) {
      expect(await api.watch(at('configmaps'), { resourceVersion: 'abc' }).refusal()).toContain('400 BadRequest: resourceVersion: Invalid value: "abc"');
    },
  },
  {
    name: 'watch: a version that is too old is Expired',
    not: { 'kube-apiserver': 'its cache may go back further than what its store has compacted' },
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      await subject.compact();
      // Over REST in a stream of status 200, over gRPC by the status itself.
      const status = await api.watch(at('configmaps'), { resourceVersion: '1' }).refused();
      expect([status.code, status.reason]).toEqual([410, 'Expired']);
      expect(status.message).toMatch(/^too old resource version: 1 \(\d+\)$/);
    },
  },
  {
    name: 'watch: what the store forgets before the server has heard of it ends a watch with Expired, whatever it shows',
    not: { 'kube-apiserver': 'it ends such a watch without a word, and tells who resumes' },
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      const watches = [
        api.watch(at('configmaps'), { resourceVersion: await versionOf(subject) }),
        api.watch(at('configmaps', 'b'), { allowWatchBookmarks: true, resourceVersion: await versionOf(subject) }),
        api.watchTable(at('configmaps'), { resourceVersion: await versionOf(subject) }),
      ];
      await create(subject, 'b');
      for (const watch of watches) expect((await watch.event()).type).toBe('ADDED');
      await subject.unheard(async () => {
        for (const name of ['c', 'd']) await create(subject, name);
        await subject.compact();
      });
      for (const watch of watches) {
        const { type, object } = await hastened(subject, watch.event());
        const { code, reason, message } = statusOf(object);
        expect([type, code, reason]).toEqual(['ERROR', 410, 'Expired']);
        expect(message).toContain('too old');
        expect(await watch.next()).toBeUndefined();
      }
      // Whoever lists anew has all of it.
      const { items } = await api.list(at('configmaps'));
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd']);
    },
  },
  {
    name: 'watch: who lists anew after that goes on from there',
    not: {
      'kube-apiserver': 'it ends such a watch without a word, and tells who resumes',
    },
    async run(subject) {
      const { api, at } = subject;
      const watch = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject) });
      await create(subject, 'a');
      expect((await watch.event()).type).toBe('ADDED');
      await subject.unheard(async () => {
        for (const name of ['b', 'c']) await create(subject, name);
        await subject.compact();
      });
      expect((await hastened(subject, watch.event())).type).toBe('ERROR');
      const { resourceVersion } = await api.list(at('configmaps'));
      const again = api.watch(at('configmaps'), { resourceVersion });
      await create(subject, 'd');
      expect(await hastened(subject, again.take(1))).toEqual(['ADDED d']);
      again.close();
    },
  },
  {
    name: 'watch: one object by its name, and one path of old',
    async run(subject) {
      const { api, at, rest } = subject;
      const version = await versionOf(subject);
      const watch = api.watch(at('configmaps', 'b'), { resourceVersion: version });
      await create(subject, 'a');
      await create(subject, 'b');
      await api.delete(at('configmaps', 'a'));
      await api.delete(at('configmaps', 'b'));
      expect(await watch.take(2)).toEqual(['ADDED b', 'DELETED b']);
      watch.close();
      if (!subject.traits.includes('rest')) return;
      const old = rest.watch(`/api/v1/watch/namespaces/${subject.namespace}/configmaps/b?resourceVersion=${version}`);
      expect(await old.take(2)).toEqual(['ADDED b', 'DELETED b']);
      old.close();
    },
  },
  {
    name: 'watch: of all namespaces, and of a cluster-scoped kind',
    async run(subject) {
      const { api, at, namespace } = subject;
      const all = api.watch({ ...at('configmaps'), namespace: '' }, { resourceVersion: await versionOf(subject), labelSelector: `case=${namespace}` });
      await create(subject, 'a', { labels: { case: namespace } });
      expect((await all.event()).object.metadata).toMatchObject({ name: 'a', namespace });
      all.close();
      const one = api.watch(at('namespaces'), { fieldSelector: `metadata.name=${namespace}` });
      expect(await one.take(1)).toEqual([`ADDED ${namespace}`]);
      one.close();
    },
  },
];

const selectors: readonly Case[] = [
  {
    name: 'watch: an object that enters a label selector is added, one that leaves it is deleted',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      const watch = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject), labelSelector: 'x=1' });
      const entered = (await relabel(subject, 'a', { x: '1' })).object.metadata.resourceVersion;
      const changed = (await api.patch(at('configmaps', 'a'), 'merge', { data: { a: '2' } })).object.metadata.resourceVersion;
      const left = (await relabel(subject, 'a', { x: '2' })).object.metadata.resourceVersion;
      await api.patch(at('configmaps', 'a'), 'merge', { data: { a: '3' } });
      const again = (await relabel(subject, 'a', { x: '1' })).object.metadata.resourceVersion;
      expect(await placedLines(watch, 2)).toEqual([`ADDED a@${entered}`, `MODIFIED a@${changed}`]);
      const gone = await watch.event();
      // As it last was inside, at the revision at which it left.
      expect([placed(gone), gone.object.metadata.labels, gone.object.data]).toEqual([`DELETED a@${left}`, { x: '1' }, { a: '2' }]);
      expect(await placedLines(watch, 1)).toEqual([`ADDED a@${again}`]);
      await api.delete(at('configmaps', 'a'));
      expect(await watch.take(1)).toEqual(['DELETED a']);
      watch.close();
    },
  },
  {
    name: 'watch: the same of history, for who resumes',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a', { labels: { x: '1' } });
      const version = await versionOf(subject);
      await relabel(subject, 'a', { x: '2' });
      await relabel(subject, 'a', { x: '1' });
      await api.delete(at('configmaps', 'a'));
      const watch = api.watch(at('configmaps'), { resourceVersion: version, labelSelector: 'x=1' });
      expect(await watch.take(3)).toEqual(['DELETED a', 'ADDED a', 'DELETED a']);
      watch.close();
    },
  },
  {
    name: 'watch: pods of a node come with their binding, and leave with their phase',
    async run(subject) {
      const { api, at } = subject;
      const { resourceVersion } = await api.list(at('pods'));
      const ofNode = api.watch(at('pods'), { resourceVersion, fieldSelector: 'spec.nodeName=n1' });
      const pending = api.watch(at('pods'), { resourceVersion, fieldSelector: 'status.phase=Pending' });
      const elsewhere = api.watch(at('pods'), { resourceVersion, fieldSelector: 'spec.nodeName=n2' });
      await api.create(at('pods'), pod('p'));
      await api.create(at('pods', 'p', 'binding'), { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } });
      await api.patch(at('pods', 'p', 'status'), 'merge', { status: { phase: 'Running' } });
      await api.create(at('pods'), pod('q', { nodeName: 'n2' }));
      expect(await ofNode.take(2)).toEqual(['ADDED p', 'MODIFIED p']);
      expect(await pending.take(4)).toEqual(['ADDED p', 'MODIFIED p', 'DELETED p', 'ADDED q']);
      expect(await elsewhere.take(1)).toEqual(['ADDED q']);
      for (const watch of [ofNode, pending, elsewhere]) watch.close();
    },
  },
];

const refusals: readonly Case[] = [
  {
    name: 'watch: matches without initial events, and initial events without their match',
    async run({ api, at }) {
      const invalid = '422 Invalid: ListOptions.meta.k8s.io "" is invalid: ';
      const needsInitial = 'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
      const needsMatch = 'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
      const notOlder = 'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"';
      for (const [query, problem] of [
        [{ resourceVersionMatch: 'NotOlderThan' }, needsInitial],
        [{ resourceVersionMatch: 'NotOlderThan', resourceVersion: '1' }, needsInitial],
        [{ resourceVersionMatch: 'Exact' }, `[${needsInitial}, ${notOlder}]`],
        [{ sendInitialEvents: true }, needsMatch],
        [{ sendInitialEvents: false }, needsMatch],
        [{ sendInitialEvents: true, resourceVersionMatch: 'Exact' }, `[${needsMatch}, ${notOlder}]`],
      ] as const) {
        const status = await api.watch(at('configmaps'), query).refused();
        expect(textOf(status)).toBe(invalid + problem);
        expect(status.details).toMatchObject({ group: 'meta.k8s.io', kind: 'ListOptions' });
        expect(status.details?.causes?.[0]?.field).toBe('resourceVersionMatch');
      }
    },
  },
  {
    name: 'watch: selectors that cannot be read',
    async run({ api, at }) {
      expect(await api.watch(at('configmaps'), { labelSelector: 'a=b=c' }).refusal()).toBe("400 BadRequest: found '=', expected: ',' or 'end of string'");
      expect(await api.watch(at('configmaps'), { fieldSelector: 'foo' }).refusal()).toBe("400 BadRequest: invalid selector: 'foo'; can't understand 'foo'");
    },
  },
];

const initialEvents: readonly Case[] = [
  {
    name: 'watch: the state to begin with, its end marked, then what happens',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a', { labels: { x: '1' } });
      await create(subject, 'b');
      const { resourceVersion: version } = await caughtUp(subject);
      let serial = 0;
      for (const [query, wanted] of [
        [{}, ['ADDED a', 'ADDED b']],
        [{ resourceVersion: '0' }, ['ADDED a', 'ADDED b']],
        [{ resourceVersion: version }, ['ADDED a', 'ADDED b']],
        [{ labelSelector: 'x=1' }, ['ADDED a']],
        [{ labelSelector: 'x=2' }, []],
      ] as const) {
        const watch = api.watch(at('configmaps'), { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true, ...query });
        expect(await watch.take(wanted.length)).toEqual(wanted);
        const mark = (await watch.next())!;
        expect([mark.type, mark.object.kind, mark.object.apiVersion, mark.object.metadata.annotations]).toEqual(['BOOKMARK', 'ConfigMap', 'v1', { [END]: 'true' }]);
        expect(Number(mark.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(version));
        const resumed = api.watch(at('configmaps'), { resourceVersion: mark.object.metadata.resourceVersion });
        const name = `later${serial++}`;
        await create(subject, name, { labels: { x: query.labelSelector?.at(-1) ?? '0' } });
        expect([await watch.take(1), await resumed.take(1)]).toEqual([[`ADDED ${name}`], [`ADDED ${name}`]]);
        await api.delete(at('configmaps', name));
        await caughtUp(subject);
        watch.close();
        resumed.close();
      }
    },
  },
  {
    name: 'watch: initial events without bookmarks have no mark; those that are not wanted do not come',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      await caughtUp(subject);
      const plain = api.watch(at('configmaps'), { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', timeoutSeconds: 1 });
      expect(await hastened(subject, plain.rest())).toEqual(['ADDED a']);
      for (const query of [{}, { resourceVersion: '0' }]) {
        const none = api.watch(at('configmaps'), { sendInitialEvents: false, resourceVersionMatch: 'NotOlderThan', timeoutSeconds: 1, ...query });
        expect(await hastened(subject, none.rest())).toEqual([]);
      }
    },
  },
  {
    name: 'watch: a state of the future is a timeout with its cause',
    async run(subject) {
      const { api, at } = subject;
      const resourceVersion = String(Number(await versionOf(subject)) + 1_000_000);
      const watch = api.watch(at('configmaps'), { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true, resourceVersion });
      const status = await hastened(subject, watch.refused());
      expect(status).toMatchObject({ code: 504, reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 } });
    },
  },
  {
    name: 'watch: a state that was not asked for by name is marked, too, where bookmarks are wanted',
    async run(subject) {
      const { api, at } = subject;
      await create(subject, 'a');
      await caughtUp(subject);
      for (const query of [{}, { resourceVersion: '0' }]) {
        const watch = api.watch(at('configmaps'), { allowWatchBookmarks: true, ...query });
        expect(await watch.take(1)).toEqual(['ADDED a']);
        expect((await watch.next())?.object.metadata.annotations).toEqual({ [END]: 'true' });
        watch.close();
      }
    },
  },
];

const ends: readonly Case[] = [
  {
    name: 'watch: it ends after its time, and only then',
    async run(subject) {
      const { api, at } = subject;
      const watch = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject), timeoutSeconds: 2 });
      await create(subject, 'a');
      expect(await watch.take(1)).toEqual(['ADDED a']);
      expect(await hastened(subject, watch.rest())).toEqual([]);
    },
  },
  {
    name: 'watch: bookmarks come by and by and at the end, never ahead of an event, and say how far all was sent',
    not: { 'kube-apiserver': 'its minute cannot be skipped' },
    async run(subject) {
      const { api, at } = subject;
      const watch = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject), allowWatchBookmarks: true, timeoutSeconds: 600 });
      const plain = api.watch(at('configmaps'), { resourceVersion: await versionOf(subject), timeoutSeconds: 600 });
      const written: number[] = [];
      for (let round = 0; round < 6; round++) {
        const writes = Array.from({ length: 4 }, async (_, n) => Number((await create(subject, `r${round}-${n}`)).object.metadata.resourceVersion));
        // Half of them are under way while time passes.
        if (round % 2 === 0) written.push(...(await Promise.all(writes)));
        await subject.skip(BOOKMARK_MS);
        if (round % 2 === 1) written.push(...(await Promise.all(writes)));
      }
      await subject.skip(600_000);
      const frames: Frame[] = [];
      for (let frame = await watch.next(); frame !== undefined; frame = await watch.next()) frames.push(frame);
      expect(bookmarkBreaches(frames, written)).toEqual([]);
      expect(frames.filter(({ type }) => type === 'ADDED').length).toBe(written.length);
      expect(frames.filter(({ type }) => type === 'BOOKMARK').length).toBeGreaterThanOrEqual(4);
      expect(frames.at(-1)).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1' } });
      expect((await plain.rest()).filter((line) => line.startsWith('BOOKMARK'))).toEqual([]);
    },
  },
  {
    name: 'watch: a kind that is quiet has bookmarks of what happened elsewhere',
    not: { 'kube-apiserver': 'its minute cannot be skipped' },
    async run(subject) {
      const { api, at } = subject;
      const { resourceVersion } = await api.list(at('secrets'));
      const watch = api.watch(at('secrets'), { resourceVersion, allowWatchBookmarks: true });
      const wanted = Number((await create(subject, 'a')).object.metadata.resourceVersion);
      let seen = 0;
      for (let count = 0; count < 20 && seen < wanted; count++) {
        const frame = await hastened(subject, watch.next(), BOOKMARK_MS / 12);
        expect(lineOf(frame)).toBe('BOOKMARK');
        seen = Number(frame!.object.metadata.resourceVersion);
      }
      expect(seen).toBeGreaterThanOrEqual(wanted);
      watch.close();
    },
  },
];

const restarts: readonly Case[] = [
  {
    name: 'watch: a server that has just started lets watchers go on, whoever asked it first',
    not: {
      'kube-apiserver': 'it is not started again here; what it has not seen itself is Expired',
    },
    async run(subject) {
      const { at } = subject;
      const first = (await create(subject, 'a', { labels: { x: '1' } })).object.metadata.resourceVersion;
      const second = (await relabel(subject, 'a', { x: '2' })).object.metadata.resourceVersion;
      await create(subject, 'b', { labels: { x: '1' } });
      await subject.api.delete(at('configmaps', 'b'));
      await subject.restart();
      // Its cache begins now, behind all that.
      await subject.api.list(at('configmaps'), { resourceVersion: '0' });
      const newest = subject.api.watch(at('configmaps'), { resourceVersion: await versionOf(subject) });
      const later = subject.api.watch(at('configmaps'), { resourceVersion: second });
      const labelled = subject.api.watch(at('configmaps'), { resourceVersion: first, labelSelector: 'x=1' });
      expect(await later.take(2)).toEqual(['ADDED b', 'DELETED b']);
      expect(await labelled.take(3)).toEqual(['DELETED a', 'ADDED b', 'DELETED b']);
      await create(subject, 'c', { labels: { x: '1' } });
      for (const watch of [newest, later, labelled]) expect(await watch.take(1)).toEqual(['ADDED c']);
      for (const watch of [newest, later, labelled]) watch.close();
    },
  },
];

/** What a bookmark promises: all up to its version has come, and nothing of it comes after. */
function bookmarkBreaches(frames: readonly Frame[], written: readonly number[]): string[] {
  const breaches: string[] = [];
  const seen = new Set<number>();
  let marked = 0;
  for (const { type, object } of frames) {
    const version = Number(object.metadata.resourceVersion);
    if (type !== 'BOOKMARK') {
      if (version <= marked) breaches.push(`event ${version} behind bookmark ${marked}`);
      seen.add(version);
      continue;
    }
    if (version < marked) breaches.push(`bookmark ${version} behind bookmark ${marked}`);
    marked = version;
    for (const one of written) if (one <= version && !seen.has(one)) breaches.push(`bookmark ${version} ahead of event ${one}`);
  }
  return breaches;
}

export const watchCases: readonly Case[] = [...fromVersion, ...selectors, ...refusals, ...initialEvents, ...ends, ...restarts];
