/** Every kind's table has the columns that a real kube-apiserver gives it (test/golden/tables, by record.ts), in their order. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { columnsOf } from '../../../src/api/core/table.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { namesOf } from './columns.ts';

const RECORDED = JSON.parse(readFileSync(new URL('../../golden/tables/columns.json', import.meta.url), 'utf8')) as Readonly<Record<string, readonly string[]>>;

/** The recorded server is younger than the version that we are. */
const OF_1_34: Readonly<Record<string, readonly string[]>> = { '/v1/serviceaccounts': ['Name', 'Secrets', 'Age'] };

test('columns of every kind', () => {
  const kinds = builtInKinds({ evictionTolerationSeconds: 300 });
  const ours = Object.fromEntries(kinds.map((kind) => [[kind.info.group, kind.info.version, kind.info.resource].join('/'), namesOf(columnsOf(kind))]));
  expect(ours).toEqual({ ...RECORDED, ...OF_1_34 });
});
