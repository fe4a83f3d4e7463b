import { describe, expect, test } from 'vitest';
import type { KeyValue } from '../../src/proto/etcd.ts';
import { deferred } from '../../src/base/deferred.ts';
import { decodeProposal, encodeProposal, type Command } from '../../src/store/mvcc/command.ts';
import { openSnapshot, restoreSnapshot } from '../../src/store/mvcc/snapshot.ts';
import type { OpResult } from '../../src/store/mvcc/core/txn.ts';
import { StateMachine, type CommandOutcome } from '../../src/store/state-machine.ts';
import { fc } from '../base/property.ts';
import { PlainBackend } from './mvcc/plain-backend.ts';
import { bytes, compareOf, deleteOf, op, putOf, rangeOf, text, txnOf } from './mvcc/requests.ts';
import { Twin } from './mvcc/twin.ts';

class Replica {
  readonly backend: PlainBackend;
  readonly machine: StateMachine;

  constructor(backend: PlainBackend, machine: StateMachine) {
    this.backend = backend;
    this.machine = machine;
  }

  static async open(backend = new PlainBackend()): Promise<Replica> {
    return new Replica(backend, await StateMachine.open(backend));
  }

  apply(command: Command): CommandOutcome {
    const { index } = this.machine.applied;
    const data = encodeProposal({ id: BigInt(index + 1), command });
    return this.machine.apply({ index: index + 1, term: 1, data }).outcome;
  }

  async flush(): Promise<void> {
    await this.backend.batch(this.machine.takeBatch().ops);
    this.machine.batchLanded();
  }
}

const kvOf = (kv: KeyValue) => ({
  key: text(kv.key),
  value: text(kv.value),
  create: kv.createRevision,
  mod: kv.modRevision,
  version: kv.version,
  lease: kv.lease,
});

function plain(result: OpResult): unknown {
  switch (result.kind) {
    case 'range':
      return { kvs: result.kvs.map(kvOf), more: result.more, count: result.count };
    case 'put':
      return { prevKv: result.prevKv && kvOf(result.prevKv) };
    case 'delete':
      return { deleted: result.deleted, prevKvs: result.prevKvs.map(kvOf) };
    case 'txn':
      return { succeeded: result.succeeded, results: result.results.map(plain) };
  }
}

const outcomeOf = (outcome: CommandOutcome | ReturnType<StateMachine['range']>): unknown =>
  outcome.ok ? 'kind' in outcome.result && plain(outcome.result as OpResult) : outcome.code;

const key = fc.constantFrom('a', 'a\0', 'b', 'c', 'd', '\xff');
const end = fc.constantFrom('', '', '\0', 'b', 'c', 'e');
const value = fc.constantFrom('', 'x', 'y', 'zz');
const revision = fc.integer({ min: -1, max: 25 });
const range = fc
  .record({
    key,
    end,
    limit: fc.integer({ min: 0, max: 4 }),
    revision: fc.oneof(fc.constant(0), revision),
    sortOrder: fc.constantFrom(0, 0, 1, 2),
    sortTarget: fc.constantFrom(0, 0, 1, 2, 3, 4),
    keysOnly: fc.boolean(),
    countOnly: fc.boolean(),
    minModRevision: fc.constantFrom(0, 0, 3, 7),
    maxModRevision: fc.constantFrom(0, 0, 12),
    minCreateRevision: fc.constantFrom(0, 0, 2, 6),
    maxCreateRevision: fc.constantFrom(0, 0, 9),
  })
  .map(({ key: from, end: to, ...rest }) => rangeOf(from, to, rest));
const put = fc
  .record({ key, value, prevKv: fc.boolean(), ignoreValue: fc.constantFrom(false, false, true) })
  .map(({ key: at, value: what, prevKv, ignoreValue }) => putOf(at, ignoreValue ? '' : what, { prevKv, ignoreValue }));
const remove = fc.record({ key, end, prevKv: fc.boolean() }).map((r) => deleteOf(r.key, r.end, { prevKv: r.prevKv }));
const compare = fc
  .record({
    key,
    end,
    result: fc.integer({ min: 0, max: 3 }),
    target: fc.integer({ min: 0, max: 4 }),
    number: revision,
    value,
  })
  .map(({ key: at, end: to, result, target, number, value: what }) =>
    compareOf({
      key: bytes(at),
      rangeEnd: bytes(to),
      result,
      target,
      targetUnion: (
        [
          { case: 'version', value: number },
          { case: 'createRevision', value: number },
          { case: 'modRevision', value: number },
          { case: 'value', value: bytes(what) },
          { case: 'lease', value: BigInt(number) },
        ] as const
      )[target],
    }),
  );
/** No key is put twice in a transaction: such requests are refused before they are proposed. */
const ops = fc.tuple(
  fc.array(range.map(op.range), { maxLength: 2 }),
  fc.uniqueArray(put, { maxLength: 3, selector: (p) => text(p.key) }).map((puts) => puts.map(op.put)),
  fc.array(range.map(op.range), { maxLength: 1 }),
);
const branch = fc.oneof(
  ops.map((parts) => parts.flat()),
  fc.array(remove.map(op.delete), { maxLength: 3 }),
);
const flat = fc.record({ compare: fc.array(compare, { maxLength: 2 }), success: branch, failure: branch });
const txn = fc.oneof(
  flat,
  fc
    .record({
      compare: fc.array(compare, { maxLength: 1 }),
      inner: flat,
      reads: fc.array(range.map(op.range), { maxLength: 1 }),
    })
    .map(({ compare: outer, inner, reads }) => txnOf(outer, [op.txn(inner), ...reads], [op.txn(inner)])),
);
const step = fc.oneof(
  { weight: 5, arbitrary: put.map((request) => ({ kind: 'put', request }) as const) },
  { weight: 2, arbitrary: remove.map((request) => ({ kind: 'delete-range', request }) as const) },
  { weight: 4, arbitrary: txn.map((request) => ({ kind: 'txn', request }) as const) },
  { weight: 5, arbitrary: range.map((request) => ({ kind: 'range', request }) as const) },
  { weight: 1, arbitrary: revision.map((at) => ({ kind: 'compact', at }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'scrub' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' } as const) },
);

describe('StateMachine', () => {
  test('answers as a model that replays the whole history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        let replica = await Replica.open();
        const twin = new Twin();
        for (const next of steps) {
          if (next.kind === 'range')
            expect(outcomeOf(replica.machine.range(next.request))).toEqual(twin.range(next.request));
          else if (next.kind === 'scrub') replica.machine.scrub(2);
          else if (next.kind === 'flush') await replica.flush();
          else if (next.kind === 'restart') {
            await replica.flush();
            replica = await Replica.open(replica.backend);
          } else if (next.kind === 'compact') {
            const outcome = replica.apply({ kind: 'compaction', request: { revision: next.at, physical: false } });
            expect(outcome.ok ? undefined : outcome.code).toBe(twin.compact(next.at));
          } else {
            const outcome = replica.apply(next);
            const expected =
              next.kind === 'put'
                ? twin.put(next.request)
                : next.kind === 'txn'
                  ? twin.txn(next.request)
                  : twin.deleteRange(next.request);
            expect(outcomeOf(outcome)).toEqual(expected);
            twin.commit();
          }
          expect(replica.machine.revision).toBe(twin.revision);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('restart and replay give the same state as never having stopped', async () => {
    const writes = fc.oneof(
      put.map((request) => ({ kind: 'put', request }) as const),
      remove.map((request) => ({ kind: 'delete-range', request }) as const),
      txn.map((request) => ({ kind: 'txn', request }) as const),
      fc
        .record({ id: fc.bigInt({ min: 1n, max: 3n }), ttl: fc.constantFrom(5, 60) })
        .map((request) => ({ kind: 'lease-grant', request }) as const),
      fc.bigInt({ min: 1n, max: 3n }).map((id) => ({ kind: 'lease-revoke', request: { id } }) as const),
      fc
        .record({ id: fc.bigInt({ min: 1n, max: 4n }), remainingTtl: fc.nat(9) })
        .map((one): Command => ({ kind: 'lease-checkpoint', request: { checkpoints: [one] } })),
      fc
        .record({ key, lease: fc.bigInt({ min: 1n, max: 3n }) })
        .map((r) => ({ kind: 'put', request: putOf(r.key, 'l', { lease: r.lease }) }) as const),
      fc
        .integer({ min: 1, max: 15 })
        .map((at) => ({ kind: 'compaction', request: { revision: at, physical: false } }) as const),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(writes, { maxLength: 30 }),
        fc.nat(30),
        fc.nat(30),
        async (commands, flushAt, scrubs) => {
          const steady = await Replica.open();
          const crashed = await Replica.open();
          for (const [at, command] of commands.entries()) {
            steady.apply(command);
            crashed.apply(command);
            if (at % 3 === 0) crashed.machine.scrub(scrubs % 3);
            if (at === flushAt) await crashed.flush();
          }
          // The process dies; the log replays what follows the last batch that landed.
          const reborn = await Replica.open(crashed.backend);
          for (const command of commands.slice(reborn.machine.applied.index)) reborn.apply(command);
          expect(reborn.machine.hashAll()).toBe(steady.machine.hashAll());
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a snapshot carries state, index and configuration into a fresh backend, however it is cut', async () => {
    const source = await Replica.open();
    const confState = { voters: [1n, 2n], votersOutgoing: [], learners: [3n], learnersNext: [], autoLeave: false };
    source.machine.bootstrap(confState, { initial: [], members: [] });
    source.apply({ kind: 'lease-grant', request: { id: 7n, ttl: 60 } });
    for (let i = 0; i < 50; i++)
      source.apply({ kind: 'put', request: putOf(`k${i % 20}`, `v${i}`, { lease: i % 2 ? 7n : 0n }) });
    source.apply({ kind: 'compaction', request: { revision: 30, physical: false } });
    await source.flush();
    const snapshot = (await openSnapshot(source.backend))!;
    // Applied and flushed after the snapshot was opened: none of it belongs there.
    const hash = source.machine.hashAll();
    source.apply({ kind: 'put', request: putOf('late', 'x') });
    await source.flush();
    const whole = await collect(snapshot.chunks);
    const target = new PlainBackend();
    const meta = await restoreSnapshot(target, inPieces(whole, 7));
    expect(meta).toEqual({ index: 52, term: 1, confState });
    expect((await Replica.open(target)).machine.hashAll()).toBe(hash);
  });

  test('the next rows of a snapshot are taken while a batch of it is written, one batch more and no further', async () => {
    const source = await Replica.open();
    const value = 'x'.repeat(64 * 1024);
    for (let i = 0; i < 160; i++) source.apply({ kind: 'put', request: putOf(`k${i}`, value) });
    await source.flush();
    const parts: Uint8Array[] = [];
    for await (const part of (await openSnapshot(source.backend))!.chunks) parts.push(part);
    const slow = new PlainBackend();
    const gate = deferred<void>();
    slow.gate = gate.promise;
    let begun = 0;
    const batch = slow.batch.bind(slow);
    slow.batch = (ops) => {
      begun++;
      return batch(ops);
    };
    let taken = 0;
    const restoring = restoreSnapshot(slow, (async function* () {
      for (const part of parts) {
        taken += part.length;
        yield part;
      }
    })());
    let last = -1;
    // Until it stands.
    while (taken !== last) {
      last = taken;
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect([begun, slow.batches]).toEqual([1, 0]);
    expect(taken).toBeGreaterThan(3.9 * 2 ** 20);
    expect(taken).toBeLessThan(4.4 * 2 ** 20);
    gate.resolve();
    await restoring;
    expect(slow.rows.size).toBe(source.backend.rows.size);
  });

  test('a snapshot that is cut short or damaged is refused', async () => {
    const source = await Replica.open();
    source.apply({ kind: 'put', request: putOf('key', 'value') });
    await source.flush();
    const whole = await collect((await openSnapshot(source.backend))!.chunks);
    await expect(
      restoreSnapshot(new PlainBackend(), inPieces(whole.subarray(0, whole.length - 1), 64)),
    ).rejects.toThrow('cut short');
    for (const at of [20, whole.length - 1]) {
      const damaged = Uint8Array.from(whole);
      damaged[at]! ^= 1;
      await expect(restoreSnapshot(new PlainBackend(), inPieces(damaged, 64))).rejects.toThrow(/damaged/);
    }
  });

  test('restart reads the blocks once, in order', async () => {
    const replica = await Replica.open();
    replica.apply({ kind: 'put', request: putOf('key', 'value') });
    await replica.flush();
    const read: string[] = [];
    const backend = new PlainBackend();
    for (const [at, row] of replica.backend.rows) backend.rows.set(at, row);
    const get = backend.get.bind(backend);
    backend.get = (at) => (read.push(at), get(at));
    const reborn = await StateMachine.open(backend);
    expect(read.filter((at) => at.startsWith('w'))).toEqual([]);
    expect(outcomeOf(reborn.range(rangeOf('key')))).toMatchObject({ count: 1, kvs: [{ value: 'value' }] });
  });

  test('revoking a lease deletes all its keys in one revision', async () => {
    const replica = await Replica.open();
    replica.apply({ kind: 'lease-grant', request: { id: 9n, ttl: 60 } });
    for (const at of ['b', 'a', 'c']) replica.apply({ kind: 'put', request: putOf(at, 'x', { lease: 9n }) });
    replica.apply({ kind: 'put', request: putOf('b', 'free') });
    const { revision: before } = replica.machine;
    replica.apply({ kind: 'lease-revoke', request: { id: 9n } });
    expect(replica.machine.revision).toBe(before + 1);
    expect(outcomeOf(replica.machine.range(rangeOf('a', 'z')))).toMatchObject({ kvs: [{ key: 'b', value: 'free' }] });
    expect(replica.apply({ kind: 'put', request: putOf('a', 'x', { lease: 9n }) })).toMatchObject({
      code: 'lease-not-found',
    });
    expect(replica.apply({ kind: 'lease-revoke', request: { id: 9n } })).toMatchObject({ code: 'lease-not-found' });
  });
});

test('encodeProposal() and decodeProposal() are inverse', () => {
  const command: Command = {
    kind: 'txn',
    request: txnOf(
      [compareOf({ key: bytes('k'), target: 2, targetUnion: { case: 'modRevision', value: 5 } })],
      [op.put(putOf('k', 'v'))],
    ),
  };
  const proposal = { id: 0xffff_ffff_ffff_fffen, command };
  expect(decodeProposal(encodeProposal(proposal))).toEqual(proposal);
});

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Uint8Array.from(Buffer.concat(parts));
}

async function* inPieces(whole: Uint8Array, size: number) {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}
