import { describe, expect, test } from 'vitest';
import { applyConfChange, decodeConfChange, encodeConfChange } from '../../../src/store/raft/core/confchange.ts';
import type { ConfChange, ConfState } from '../../../src/store/raft/core/types.ts';
import { fc } from '../../base/property.ts';
import { confOf } from './harness.ts';

const LEAVE: ConfChange = { changes: [], joint: false };
const anyChange: fc.Arbitrary<ConfChange> = fc.record({
  changes: fc.array(
    fc.record({
      kind: fc.constantFrom('add-voter' as const, 'add-learner' as const, 'remove' as const),
      member: fc.bigInt({ min: 1n, max: 5n }),
    }),
    { maxLength: 4 },
  ),
  joint: fc.boolean(),
});

function majorities(voters: readonly bigint[]): bigint[][] {
  const all = Array.from({ length: 1 << voters.length }, (_, mask) => voters.filter((_, i) => (mask >> i) & 1));
  return all.filter((some) => some.length * 2 > voters.length);
}

/** Sets that decide: a majority of each half. */
function deciders({ voters, votersOutgoing }: ConfState): bigint[][] {
  if (votersOutgoing.length === 0) return majorities(voters);
  return majorities(voters).flatMap((a) => majorities(votersOutgoing).map((b) => [...a, ...b]));
}

describe('applyConfChange()', () => {
  test('one change is made at once', () => {
    const change: ConfChange = { changes: [{ kind: 'add-learner', member: 4n }], joint: false };
    expect(applyConfChange(confOf([1n, 2n, 3n]), change)).toEqual({ ok: true, confState: confOf([1n, 2n, 3n], [4n]) });
  });

  test('more go through a joint configuration; a demoted voter is a learner only after it (§6)', () => {
    const change: ConfChange = {
      changes: [{ kind: 'add-voter', member: 4n }, { kind: 'add-learner', member: 1n }],
      joint: false,
    };
    const joint = applyConfChange(confOf([1n, 2n, 3n]), change);
    expect(joint).toEqual({
      ok: true,
      confState: { voters: [2n, 3n, 4n], votersOutgoing: [1n, 2n, 3n], learners: [], learnersNext: [1n], autoLeave: true },
    });
    if (!joint.ok) return;
    expect(applyConfChange(joint.confState, LEAVE)).toEqual({ ok: true, confState: confOf([2n, 3n, 4n], [1n]) });
    expect(applyConfChange(joint.confState, change)).toEqual({ ok: false, code: 'already-joint' });
  });

  test('refuses what leaves nobody to decide, and to leave what was not entered', () => {
    const remove: ConfChange = { changes: [{ kind: 'remove', member: 1n }], joint: false };
    expect(applyConfChange(confOf([1n]), remove)).toEqual({ ok: false, code: 'no-voters' });
    expect(applyConfChange(confOf([1n]), LEAVE)).toEqual({ ok: false, code: 'not-joint' });
  });

  test('two configurations in a row never decide apart (§6)', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 8 }), (changes) => {
        let conf = confOf([1n, 2n, 3n]);
        for (const change of changes) {
          const outcome = applyConfChange(conf, change);
          if (!outcome.ok) continue;
          for (const before of deciders(conf)) {
            for (const after of deciders(outcome.confState)) {
              expect(after.some((member) => before.includes(member))).toBe(true);
            }
          }
          conf = outcome.confState as typeof conf;
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('decodeConfChange()', () => {
  test('reads what encodeConfChange() wrote', () => {
    fc.assert(
      fc.property(anyChange, (change) => {
        expect(decodeConfChange(encodeConfChange(change))).toEqual(change);
      }),
    );
  });

  test('keeps what travels with a change', () => {
    const change = { changes: [{ kind: 'add-learner' as const, member: 9n }], joint: false, context: Uint8Array.of(1, 2) };
    expect(decodeConfChange(encodeConfChange(change))).toEqual(change);
  });

  test('refuses other bytes', () => {
    for (const bytes of [[], [2], [4], [2, 1, 0], [2, 0], [0, 0], [0, 9, 0, 0, 0, 0, 0, 0, 0, 1]]) {
      expect(decodeConfChange(Uint8Array.from(bytes))).toBeUndefined();
    }
  });
});
