/** Lists: versions and how they match, pages at a pinned revision, and what is refused. */
import { expect } from 'vitest';
import { refusal, refusedWith, type ListDoc } from './api.ts';
import { configMap } from './manifests.ts';
import type { Case, Subject } from './subject.ts';

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
];
