import { expect, test } from 'vitest';
import type { BackendBatch, BackendKey } from '../../../src/store/mvcc/backend.ts';
import { encodeIndexRow, indexRowKey, NO_LEASE, NOT_CACHED, valueRowKey, type Write } from '../../../src/store/mvcc/core/revision.ts';
import { Overlay } from '../../../src/store/mvcc/overlay.ts';
import { fc } from '../../base/property.ts';
import { bytes } from './requests.ts';

const writeOf = (main: number): Write => ({ key: 'k', main, sub: 0, create: 1, version: main, lease: NO_LEASE, cachedAt: NOT_CACHED });

/** What lies below, and the batches that came to it. */
function world() {
  const below = new Map<BackendKey, Uint8Array>();
  const overlay = new Overlay({ get: (key) => below.get(key) });
  const land = (batch: BackendBatch) => {
    for (const op of batch) {
      if (op.type === 'put') below.set(op.key, op.value);
      else below.delete(op.key);
    }
    overlay.landed();
  };
  return { below, overlay, land };
}

test('a write becomes its rows: one for the index, and one for a value that is not empty', () => {
  const { below, overlay, land } = world();
  overlay.putWrite(writeOf(2), bytes('two'));
  overlay.putWrite(writeOf(3), bytes(''));
  expect(overlay.pending).toBe(3);
  const batch = overlay.take();
  expect(batch.length).toBe([...batch].length);
  land(batch);
  expect(below).toEqual(
    new Map([
      [indexRowKey(2, 0), encodeIndexRow(writeOf(2))],
      [valueRowKey(2, 0), bytes('two')],
      [indexRowKey(3, 0), encodeIndexRow(writeOf(3))],
    ]),
  );
});

test('a write is seen until it is deleted, wherever its batch is; so is what lies below at the end', () => {
  const step = fc.record({ what: fc.constantFrom('put', 'delete', 'take', 'land'), main: fc.integer({ min: 1, max: 5 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { below, overlay, land } = world();
      const living = new Map<number, Write>();
      const seen: Write[] = [];
      let inFlight: BackendBatch | undefined;
      for (const { what, main } of steps) {
        const write = living.get(main);
        if (what === 'put' && !seen.some((each) => each.main === main)) {
          const fresh = writeOf(main);
          living.set(main, fresh);
          seen.push(fresh);
          overlay.putWrite(fresh, bytes(`value ${main}`));
        } else if (what === 'delete' && write !== undefined) {
          living.delete(main);
          overlay.deleteWrite(write);
        } else if (what === 'take' && inFlight === undefined) inFlight = overlay.take();
        else if (what === 'land' && inFlight !== undefined) {
          land(inFlight);
          inFlight = undefined;
        }
        for (const each of seen) {
          expect(overlay.valueOf(each)).toEqual(living.has(each.main) ? bytes(`value ${each.main}`) : undefined);
        }
      }
      if (inFlight !== undefined) land(inFlight);
      land(overlay.take());
      const rows = [...living.keys()].flatMap((main) => [indexRowKey(main, 0), valueRowKey(main, 0)]);
      expect([...below.keys()].sort()).toEqual(rows.sort());
    }),
  );
});
