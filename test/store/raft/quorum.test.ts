import { describe, expect, test } from 'vitest';
import { jointReached, jointVote, majorityReached, majorityVote } from '../../../src/store/raft/core/quorum.ts';
import type { MemberId } from '../../../src/store/raft/core/types.ts';
import { fc } from '../../base/property.ts';

const members = fc.uniqueArray(fc.bigInt({ min: 1n, max: 9n }), { maxLength: 7 });
const reached = fc.dictionary(fc.constantFrom(...'123456789'), fc.nat({ max: 12 }));
const votes = fc.dictionary(fc.constantFrom(...'123456789'), fc.boolean());
const asMap = <T>(facts: Record<string, T>) => new Map(Object.entries(facts).map(([id, fact]) => [BigInt(id), fact]));

/** The dumb twin: try every index from the top, and count who has reached it. */
function twinReached(voters: readonly MemberId[], at: ReadonlyMap<MemberId, number>): number {
  for (let index = 12; index > 0; index--) {
    const count = voters.filter((voter) => (at.get(voter) ?? 0) >= index).length;
    if (count * 2 > voters.length) return index;
  }
  return 0;
}

/** The dumb twin: an election is decided once every way the missing votes may fall decides it alike. */
function twinVote(voters: readonly MemberId[], cast: ReadonlyMap<MemberId, boolean>): string {
  const missing = voters.filter((voter) => !cast.has(voter));
  const granted = voters.filter((voter) => cast.get(voter) === true).length;
  const outcomes = new Set<boolean>();
  for (let mask = 0; mask < 1 << missing.length; mask++) {
    const more = missing.filter((_, i) => (mask >> i) & 1).length;
    outcomes.add((granted + more) * 2 > voters.length);
  }
  if (outcomes.size > 1) return 'pending';
  return outcomes.has(true) ? 'won' : 'lost';
}

describe('majorityReached()', () => {
  test('takes the lower middle of an even number', () => {
    const at = new Map([[1n, 5], [2n, 7], [3n, 3], [4n, 9]]);
    expect(majorityReached([1n, 2n, 3n, 4n], (voter) => at.get(voter) ?? 0)).toBe(5);
  });

  test('never decides without voters', () => {
    expect(majorityReached([], () => 1)).toBe(Infinity);
    expect(jointReached({ voters: [], votersOutgoing: [] }, () => 1)).toBe(0);
  });

  test('agrees with counting', () => {
    fc.assert(
      fc.property(members, reached, (voters, facts) => {
        const at = asMap(facts);
        if (voters.length === 0) return;
        expect(majorityReached(voters, (voter) => at.get(voter) ?? 0)).toBe(twinReached(voters, at));
      }),
    );
  });
});

describe('jointReached()', () => {
  test('needs both majorities', () => {
    fc.assert(
      fc.property(members, members, reached, (voters, votersOutgoing, facts) => {
        const at = asMap(facts);
        const halves = [voters, votersOutgoing].filter((half) => half.length > 0).map((half) => twinReached(half, at));
        const expected = halves.length === 0 ? 0 : Math.min(...halves);
        expect(jointReached({ voters, votersOutgoing }, (voter) => at.get(voter) ?? 0)).toBe(expected);
      }),
    );
  });
});

describe('majorityVote()', () => {
  test('agrees with every way the missing votes may fall', () => {
    fc.assert(
      fc.property(members, votes, (voters, facts) => {
        if (voters.length === 0) return;
        expect(majorityVote(voters, asMap(facts))).toBe(twinVote(voters, asMap(facts)));
      }),
    );
  });
});

describe('jointVote()', () => {
  test('is won by both halves, and lost by either', () => {
    fc.assert(
      fc.property(members, members, votes, (voters, votersOutgoing, facts) => {
        const halves = [voters, votersOutgoing].filter((half) => half.length > 0).map((half) => twinVote(half, asMap(facts)));
        const expected = halves.includes('lost') ? 'lost' : halves.includes('pending') ? 'pending' : 'won';
        expect(jointVote({ voters, votersOutgoing }, asMap(facts))).toBe(expected);
      }),
    );
  });
});
