/** Every kind's table has the columns, and every object's row the cells, that a real kube-apiserver gives it (test/golden/tables, by record.ts). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { columnDefinitionsOf, columnsOf } from '../../../src/api/core/table.ts';
import { componentStatus } from '../../../src/api/kinds/component-status.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { SUBJECTS } from '../defaults/objects.ts';
import { startRest } from '../rest/fixture.ts';
import { AS_TABLE, cellsOf, creationPath, lineOf } from './columns.ts';
import { OBJECTS } from './objects.ts';

const RECORDED = JSON.parse(readFileSync(new URL('../../golden/tables/columns.json', import.meta.url), 'utf8')) as Readonly<Record<string, readonly string[]>>;

/** The recorded server is younger than the version that we are. */
const OF_1_34: Readonly<Record<string, readonly string[]>> = { '/v1/serviceaccounts': ['Name string name 0', 'Secrets string - 0', 'Age string - 0'] };

test('columns of every kind', () => {
  const kinds = [...builtInKinds({ evictionTolerationSeconds: 300 }), componentStatus];
  const ours = Object.fromEntries(kinds.map((kind) => [[kind.info.group, kind.info.version, kind.info.resource].join('/'), columnDefinitionsOf(columnsOf(kind)).map(lineOf)]));
  expect(ours).toEqual({ ...RECORDED, ...OF_1_34 });
});

/** A row that is longer than its table there; a count that is gone there; a request that is not in base64, which is refused. */
const NOT_AS_THERE: ReadonlySet<string> = new Set(['IPAddress', 'ServiceAccount', 'CertificateSigningRequest']);

test('cells of what has just been created, by their texts and types', async () => {
  const recorded = JSON.parse(readFileSync(new URL('../../golden/tables/cells.json', import.meta.url), 'utf8')) as readonly (readonly unknown[])[];
  const client = (await startRest()).client();
  const rows: (readonly unknown[])[] = [];
  for (const object of [...SUBJECTS.map((subject) => subject.object), ...OBJECTS]) {
    const answer = await client.request('POST', creationPath(object), { body: object, headers: AS_TABLE });
    rows.push([object.kind, ...cellsOf(answer)]);
  }
  const alike = (row: readonly unknown[]) => !NOT_AS_THERE.has(String(row[0]));
  expect(rows.filter(alike)).toEqual(recorded.filter(alike));
  expect(rows.length).toBeGreaterThan(90);
});
