/**
 * What a majority says: of one set of voters, or of both sets during joint consensus (Raft paper §6). Pure functions;
 * called by the state machine for votes, for the commit index and for ReadIndex rounds.
 */
import type { ConfState, MemberId } from './types.ts';

export type VoteResult = 'won' | 'lost' | 'pending';

/** The voters' two majorities. `outgoing` is empty outside of joint consensus, and then agrees with everything. */
export type Voters = Pick<ConfState, 'voters' | 'votersOutgoing'>;

/**
 * The highest value that a majority of `voters` has reached; Infinity for no voters, so that an absent half of a joint
 * configuration never decides.
 */
export function majorityReached(voters: readonly MemberId[], reached: (voter: MemberId) => number): number {
  if (voters.length === 0) return Infinity;
  const sorted = voters.map(reached).sort((a, b) => a - b);
  return sorted[sorted.length - (Math.floor(sorted.length / 2) + 1)]!;
}

/** The highest value that both majorities have reached; 0 if there are no voters at all. */
export function jointReached(config: Voters, reached: (voter: MemberId) => number): number {
  const value = Math.min(
    majorityReached(config.voters, reached),
    majorityReached(config.votersOutgoing, reached),
  );
  return value === Infinity ? 0 : value;
}

/** The outcome of an election in one set of voters; no voters are won, for the reason above. */
export function majorityVote(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  if (voters.length === 0) return 'won';
  const needed = Math.floor(voters.length / 2) + 1;
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  if (granted >= needed) return 'won';
  return granted + missing >= needed ? 'pending' : 'lost';
}

/** Won only where both are won, lost as soon as either is lost. */
export function jointVote(config: Voters, votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  const incoming = majorityVote(config.voters, votes);
  const outgoing = majorityVote(config.votersOutgoing, votes);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}
