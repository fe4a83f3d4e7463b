/** Lists: versions and how they match, pages at a pinned revision, and what is refused. */
import { expect } from 'vitest';
import { refusal, refusedWith, type ListDoc } from './api.ts';
import { configMap } from './manifests.ts';
import { docOf, pathOf } from './rest-api.ts';
import { hastened, type Case, type Subject } from './subject.ts';

const names = ({ items }: ListDoc) => items.map(({ metadata }) => metadata.name).join(' ');

/** Answers the version of each. */
async function createMaps({ api, at }: Subject, ...all: readonly string[]): Promise<string[]> {
  const versions: string[] = [];
  for (const name of all) versions.push((await api.create(at('configmaps'), configMap(name))).object.metadata.resourceVersion);
  return versions;
}

export const listCases: readonly Case[] = [
  {
    name: 'list: in the order of names, with a version of its own',
    async run(subject) {
      const [, , last] = await createMaps(subject, 'b', 'a', 'c');
      const listed = await subject.api.list(subject.at('configmaps'));
      expect([names(listed), listed.continue, listed.remainingItemCount]).toEqual(['a b c', '', undefined]);
      expect(Number(listed.resourceVersion)).toBeGreaterThanOrEqual(Number(last));
    },
  },
  {
    name: 'list: pages are of one revision, whatever is written between them',
    async run(subject) {
      const { api, at } = subject;
      await createMaps(subject, 'a', 'b', 'c', 'd', 'e');
      const first = await api.list(at('configmaps'), { limit: 2 });
      expect([names(first), first.remainingItemCount, first.continue === '']).toEqual(['a b', 3, false]);
      await api.delete(at('configmaps', 'c'));
      await createMaps(subject, 'bb');
      await api.patch(at('configmaps', 'd'), 'merge', { data: { a: '2' } });
      const second = await api.list(at('configmaps'), { limit: 2, continue: first.continue });
      expect([names(second), second.remainingItemCount, second.resourceVersion]).toEqual(['c d', 1, first.resourceVersion]);
      expect(second.items[1]!.data).toEqual({ a: '1' });
      const third = await api.list(at('configmaps'), { limit: 2, continue: second.continue });
      expect([names(third), third.continue, third.remainingItemCount, third.resourceVersion]).toEqual(['e', '', undefined, first.resourceVersion]);
      expect(names(await api.list(at('configmaps')))).toBe('a b bb d e');
    },
  },
  {
    name: 'list: what remains is counted only where nothing is selected',
    async run(subject) {
      const { api, at } = subject;
      await createMaps(subject, 'a', 'b', 'c');
      for (const query of [{ labelSelector: '!x' }, { fieldSelector: 'metadata.name!=x' }]) {
        const page = await api.list(at('configmaps'), { limit: 2, ...query });
        expect([names(page), page.continue === '', page.remainingItemCount]).toEqual(['a b', false, undefined]);
        expect(names(await api.list(at('configmaps'), { limit: 2, continue: page.continue, ...query }))).toBe('c');
      }
    },
  },
  {
    name: 'list: at exactly a version, as it was then',
    async run(subject) {
      const { api, at } = subject;
      const [, second] = await createMaps(subject, 'a', 'b', 'c');
      const then = { resourceVersion: second!, resourceVersionMatch: 'Exact' };
      const exact = await api.list(at('configmaps'), then);
      expect([names(exact), exact.resourceVersion]).toEqual(['a b', second]);
      const page = await api.list(at('configmaps'), { ...then, limit: 1 });
      expect([names(page), page.remainingItemCount, page.resourceVersion]).toEqual(['a', 1, second]);
      expect(names(await api.list(at('configmaps'), { limit: 1, continue: page.continue }))).toBe('b');
      // With a limit a version alone is exact, too.
      expect(names(await api.list(at('configmaps'), { resourceVersion: second!, limit: 5 }))).toBe('a b');
    },
  },
  {
    name: 'list: not older than a version',
    async run(subject) {
      const { api, at } = subject;
      const [first, , third] = await createMaps(subject, 'a', 'b', 'c');
      for (const query of [{}, { resourceVersionMatch: 'NotOlderThan' }]) {
        const listed = await api.list(at('configmaps'), { resourceVersion: third!, ...query });
        expect([names(listed), Number(listed.resourceVersion) >= Number(third)]).toEqual(['a b c', true]);
        expect(Number((await api.list(at('configmaps'), { resourceVersion: first!, ...query })).resourceVersion)).toBeGreaterThanOrEqual(Number(first));
        expect((await api.list(at('configmaps'), { resourceVersion: '0', ...query })).continue).toBe('');
      }
    },
  },
  {
    name: 'list: versions and matches that do not go together',
    async run({ api, at }) {
      const invalid = '422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: ';
      for (const [query, detail] of [
        [{ resourceVersionMatch: 'Exact' }, 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'],
        [{ resourceVersionMatch: 'NotOlderThan' }, 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'],
        [{ resourceVersionMatch: 'Exact', resourceVersion: '0' }, 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
        [{ resourceVersionMatch: 'foo', resourceVersion: '1' }, 'Unsupported value: "foo": supported values: "Exact", "NotOlderThan", ""'],
        [{ resourceVersionMatch: 'Exact', resourceVersion: '1', continue: 'abc' }, 'Forbidden: resourceVersionMatch is forbidden when continue is provided'],
      ] as const) {
        const status = await refusedWith(api.list(at('configmaps'), query));
        expect(`${status.code} ${status.reason}: ${status.message}`).toBe(invalid + detail);
        expect(status.details).toMatchObject({ group: 'meta.k8s.io', kind: 'ListOptions', causes: [{ field: 'resourceVersionMatch', message: detail }] });
      }
    },
  },
  {
    name: 'list: a version that is none',
    async run({ api, at }) {
      for (const bad of ['abc', '-1', '1.5']) {
        const problem = `resourceVersion: Invalid value: "${bad}": strconv.ParseUint: parsing "${bad}": invalid syntax`;
        expect(await refusal(api.list(at('configmaps'), { resourceVersion: bad }))).toBe(`400 BadRequest: invalid resource version: ${problem}`);
      }
    },
  },
  {
    name: 'list: every problem of a request at once',
    async run({ api, at }) {
      const status = await refusedWith(api.list(at('configmaps'), { resourceVersionMatch: 'NotOlderThan', continue: 'abc' }));
      const details = ['Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided', 'Forbidden: resourceVersionMatch is forbidden when continue is provided'];
      expect(status.message).toBe(`ListOptions.meta.k8s.io "" is invalid: [${details.map((text) => `resourceVersionMatch: ${text}`).join(', ')}]`);
      expect(status.details?.causes?.map(({ message }) => message)).toEqual(details);
    },
  },
  {
    name: 'list: a version of the future, which may come, is a timeout with its cause',
    async run(subject) {
      const { api, at, namespace } = subject;
      const { resourceVersion } = await api.list(at('configmaps'));
      const future = String(Number(resourceVersion) + 1_000_000);
      const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
      for (const query of [{}, { resourceVersionMatch: 'NotOlderThan' }, { resourceVersionMatch: 'Exact' }, { limit: 1 }]) {
        const status = await hastened(subject, refusedWith(api.list(at('configmaps'), { resourceVersion: future, ...query })));
        expect(status).toMatchObject({ code: 504, reason: 'Timeout', details: { causes } });
        expect(status.message).toMatch(new RegExp(`^Timeout: Too large resource version: ${future}, current: \\d+$`));
        // Of what is asked of a cache it may have come a second later; a store has seen what there is.
        if (query.resourceVersionMatch !== 'Exact' && query.limit === undefined) expect(status.details?.retryAfterSeconds).toBe(1);
      }
      const one = await hastened(subject, refusedWith(api.get(at('namespaces', namespace), { resourceVersion: future })));
      expect(one).toMatchObject({ code: 504, reason: 'Timeout', details: { causes, retryAfterSeconds: 1 } });
    },
  },
  {
    name: 'list: fewer than none is no limit; a version beside a token is refused, but for 0',
    async run(subject) {
      const { api, at } = subject;
      await createMaps(subject, 'a', 'b', 'c');
      expect(names(await api.list(at('configmaps'), { limit: -1 }))).toBe('a b c');
      const { continue: token } = await api.list(at('configmaps'), { limit: 1 });
      expect(names(await api.list(at('configmaps'), { continue: token, resourceVersion: '0' }))).toBe('b c');
      expect(await refusal(api.list(at('configmaps'), { continue: token, resourceVersion: '5' }))).toBe('400 BadRequest: specifying resource version is not allowed when using continue');
    },
  },
  {
    name: 'list: a token that is none',
    async run({ api, at }) {
      const prefix = '400 BadRequest: invalid continue token: continue key is not valid: ';
      expect(await refusal(api.list(at('configmaps'), { continue: 'abc' }))).toContain(prefix);
      const token = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
      for (const [content, problem] of [
        [{ v: 'meta.k8s.io/v2', rv: 1, start: 'a' }, 'server does not recognize this encoded version meta.k8s.io/v2'],
        [{ v: 'meta.k8s.io/v1', rv: 0, start: 'a' }, 'incorrect encoded start resourceVersion (version meta.k8s.io/v1)'],
        [{ v: 'meta.k8s.io/v1', rv: 1, start: '' }, 'encoded start key empty (version meta.k8s.io/v1)'],
      ] as const) {
        expect(await refusal(api.list(at('configmaps'), { continue: token(content) }))).toBe(prefix + problem);
      }
      expect(await refusal(api.list(at('configmaps'), { continue: token({ v: 'meta.k8s.io/v1', rv: 1, start: '../secrets' }) }))).toContain('400 BadRequest');
    },
  },
  {
    name: 'list: a token whose revision is forgotten is Expired, and brings one to go on with all the same',
    not: { 'kube-apiserver': 'it answers from snapshots of its cache, which a compaction of etcd does not take' },
    async run(subject) {
      const { api, at } = subject;
      await createMaps(subject, 'a', 'b', 'c');
      const { continue: token } = await api.list(at('configmaps'), { limit: 1 });
      await createMaps(subject, 'bb');
      await subject.compact();
      const status = await refusedWith(api.list(at('configmaps'), { limit: 1, continue: token }));
      expect(`${status.code} ${status.reason}: ${status.message}`).toContain('410 Expired: The provided continue parameter is too old to display a consistent list result.');
      const { continue: onward } = status.metadata;
      const page = await api.list(at('configmaps'), { limit: 2, continue: onward! });
      // What was created meanwhile may show up: it is the state of now, from the same place on.
      expect([names(page), page.continue === '']).toEqual(['b bb', false]);
      expect(names(await api.list(at('configmaps'), { limit: 2, continue: page.continue }))).toBe('c');
    },
  },
  {
    name: 'list: exactly at a version that is forgotten is Expired',
    not: { 'kube-apiserver': 'it answers from snapshots of its cache, which a compaction of etcd does not take' },
    async run(subject) {
      const { api, at } = subject;
      const [first] = await createMaps(subject, 'a', 'b');
      await subject.compact();
      for (const query of [{ resourceVersionMatch: 'Exact' }, { limit: 1 }]) {
        const status = await refusedWith(api.list(at('configmaps'), { resourceVersion: first!, ...query }));
        expect([status.code, status.reason]).toEqual([410, 'Expired']);
      }
    },
  },
  {
    name: 'list: of all namespaces, by namespace and name, in pages',
    async run({ api, at, namespace }) {
      const mark = { labels: { case: namespace } };
      const other = `${namespace}-a`;
      await api.create(at('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: other } });
      for (const [place, name] of [[namespace, 'b'], [other, 'a'], [namespace, 'a']] as const) {
        await api.create({ ...at('configmaps'), namespace: place }, configMap(name, {}, mark));
      }
      const all = { ...at('configmaps'), namespace: '' };
      const labelSelector = `case=${namespace}`;
      const where = ({ items }: ListDoc) => items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      // Keys order them: of two namespaces, one the other's beginning, the longer goes first.
      const wanted = [`${other}/a`, `${namespace}/a`, `${namespace}/b`];
      const listed = await api.list(all, { labelSelector });
      expect(where(listed)).toEqual(wanted);
      const page = await api.list(all, { labelSelector, limit: 2 });
      const rest = await api.list(all, { labelSelector, limit: 2, continue: page.continue });
      expect([...where(page), ...where(rest)]).toEqual(wanted);
      expect(where(await api.list(all, { fieldSelector: `metadata.namespace=${other},metadata.name=a` }))).toEqual([`${other}/a`]);
    },
  },
  {
    name: 'list: label selectors of each form',
    async run({ api, at }) {
      for (const [name, labels] of [['a', { tier: 'web', n: '1' }], ['b', { tier: 'db', n: '5' }], ['c', { n: 'x' }], ['d', {}]] as const) {
        await api.create(at('configmaps'), configMap(name, {}, { labels }));
      }
      for (const [labelSelector, found] of [
        ['tier=web', 'a'], ['tier==web', 'a'], ['tier!=web', 'b c d'], ['tier in (web,db)', 'a b'], ['tier notin (web)', 'b c d'],
        ['tier', 'a b'], ['!tier', 'c d'], ['tier,n=5', 'b'], ['n>1', 'b'], ['n<5', 'a'], ['tier in (web,)', 'a'], ['tier=', ''],
      ] as const) {
        expect([labelSelector, names(await api.list(at('configmaps'), { labelSelector }))]).toEqual([labelSelector, found]);
      }
      for (const [labelSelector, problem] of [
        ['a==b==c', "found '==', expected: ',' or 'end of string'"],
        ['a in (', "unable to parse requirement: found '', expected: ',', ')' or identifier"],
        ['a>x', `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`],
      ] as const) {
        expect(await refusal(api.list(at('configmaps'), { labelSelector }))).toBe(`400 BadRequest: ${problem}`);
      }
    },
  },
  {
    name: 'list: numbers that are none',
    not: { grpc: 'its numbers are typed' },
    async run({ rest, at }) {
      for (const query of ['limit=x', 'timeoutSeconds=x', 'watch=1&timeoutSeconds=1s']) {
        const status = await refusedWith(rest.get(`${pathOf(at('configmaps'))}?${query}`).then(docOf));
        expect([query, status.code, status.reason]).toEqual([query, 400, 'BadRequest']);
      }
    },
  },
  {
    name: 'get: of now, of the cache, and not older than a version',
    async run(subject) {
      const { api, at } = subject;
      const [version] = await createMaps(subject, 'a');
      for (const resourceVersion of ['', version!, '0']) {
        const found = await api.get(at('configmaps', 'a'), { resourceVersion });
        expect([found.kind, found.apiVersion, found.metadata.resourceVersion]).toEqual(['ConfigMap', 'v1', version]);
      }
      const { object } = await api.patch(at('configmaps', 'a'), 'merge', { data: { a: '2' } });
      expect((await api.get(at('configmaps', 'a'), { resourceVersion: object.metadata.resourceVersion })).data).toEqual({ a: '2' });
      for (const resourceVersion of ['', version!]) {
        const status = await refusedWith(api.get(at('configmaps', 'nope'), { resourceVersion }));
        expect(status).toMatchObject({ code: 404, reason: 'NotFound', message: 'configmaps "nope" not found', details: { name: 'nope', kind: 'configmaps' } });
      }
    },
  },
  {
    name: 'get: a version that is none',
    not: { 'kube-apiserver': 'it answers 500 without a reason, and what is at fault is the request' },
    async run({ api, at }) {
      expect(await refusal(api.get(at('configmaps', 'a'), { resourceVersion: 'abc' }))).toContain('400 BadRequest: resourceVersion: Invalid value: "abc"');
    },
  },
];
