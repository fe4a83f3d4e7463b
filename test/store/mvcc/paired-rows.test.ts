/**
 * `test/golden/paired-rows` was made by the code of before blocks: 200 keys written three times over, some without a value,
 * some with a lease, a third of them deleted, a compaction half given back.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { levelBackends } from '../../../src/store/mvcc/level-backend.ts';
import { joinPairedRows } from '../../../src/store/mvcc/paired-rows.ts';
import { openSnapshot, restoreSnapshot } from '../../../src/store/mvcc/snapshot.ts';
import { encodeState, STATE_ROW } from '../../../src/store/mvcc/state-row.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from './plain-backend.ts';
import { text } from './requests.ts';

/** What that code had of it, its writes in the order in which they are hashed now. */
const HASH = '70586be9042e88eac389c4b77e2b3bd5400e1a3311d9084a6f60a4cdc6c0eb2f';

async function openOld() {
  const root = mkdtempSync(join(tmpdir(), 'podium-paired-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  cpSync(join(import.meta.dirname, '../../golden/paired-rows'), root, { recursive: true });
  const backends = levelBackends(root);
  return { backends, backend: await backends.open('db-1') };
}

async function rowsOfOld(): Promise<Map<string, Uint8Array>> {
  const { backend } = await openOld();
  const rows = new Map<string, Uint8Array>();
  for await (const slice of backend.scan({ from: '', to: '\xff' })) for (const { key, value } of slice) rows.set(key, value);
  await backend.close();
  return rows;
}

const kindsIn = (rows: ReadonlyMap<string, unknown>) => [...new Set([...rows.keys()].map((key) => key[0]))].sort();

test('a folder with two rows a write opens as what it was, and lies in blocks from then on', async () => {
  const { backends, backend } = await openOld();
  const machine = await StateMachine.open(backend);
  expect(machine.hashAll()).toBe(HASH);
  expect([machine.revision, machine.mvcc.compactRevision, machine.mvcc.index.size]).toEqual([670, 500, 202]);
  expect(text(machine.mvcc.value(machine.mvcc.get('k\xff\0')!))).toBe('bytes');
  while (machine.scrub(100));
  await backend.batch(machine.takeBatch().ops);
  machine.batchLanded();
  await backend.close();
  const again = await backends.open('db-1');
  onTestFinished(() => again.close());
  const kinds = new Set<string | undefined>();
  for await (const slice of again.scan({ from: '', to: '\xff' })) for (const { key } of slice) kinds.add(key[0]);
  expect([...kinds].sort()).toEqual(['c', 'l', 'm', 'w']);
  expect((await StateMachine.open(again)).hashAll()).toBe(HASH);
});

test('a crash after any batch of the change of layout leaves what the next start completes', async () => {
  const rows = await rowsOfOld();
  expect(kindsIn(rows)).toEqual(['c', 'i', 'l', 'm', 'v']);
  const whole = 8;
  for (let landing = 0; landing <= whole; landing++) {
    const backend = new PlainBackend();
    for (const [key, value] of rows) backend.rows.set(key, value);
    const batch = backend.batch.bind(backend);
    backend.batch = (ops) => (backend.batches === landing ? Promise.reject(new Error('crash')) : batch(ops));
    const moved = joinPairedRows(backend, 100).then(() => 'whole', (error: Error) => error.message);
    expect(await moved).toBe(landing < whole ? 'crash' : 'whole');
    expect(kindsIn(backend.rows).includes('i')).toBe(landing < whole - 1);
    backend.batch = batch;
    expect((await StateMachine.open(backend)).hashAll()).toBe(HASH);
    expect(kindsIn(backend.rows)).toEqual(['c', 'l', 'm', 'w']);
  }
});

test('a snapshot of before blocks is brought to blocks where it is restored', async () => {
  const old = new PlainBackend();
  for (const [key, value] of await rowsOfOld()) old.rows.set(key, value);
  const machine = await StateMachine.open(Object.assign(new PlainBackend(), { rows: new Map(old.rows) }));
  old.rows.set(STATE_ROW, encodeState({ applied: machine.applied, revision: 1, compactRevision: 0 }));
  const backend = new PlainBackend();
  expect(await restoreSnapshot(backend, (await openSnapshot(old))!.chunks)).toEqual(machine.applied);
  expect(kindsIn(backend.rows)).toEqual(['c', 'l', 'm', 'w']);
  expect((await StateMachine.open(backend)).hashAll()).toBe(HASH);
});
