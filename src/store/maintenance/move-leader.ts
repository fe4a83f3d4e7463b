/** Maintenance.MoveLeader: hands leadership over, and waits until it is heard of. */
import type { Clock, Millis } from '../../base/clock.ts';
import type { MemberId, SoftState } from '../raft/core/types.ts';
import { StoreError } from '../rpc/errors.ts';

export interface LeavingLeader {
  readonly id: MemberId;
  readonly isLeader: boolean;
  readonly requestTimeoutMs: Millis;
  /** False: `to` is no voter. */
  transferLeader(to: MemberId): boolean;
  onRole(listener: (state: SoftState) => void): () => void;
}

/**
 * Raft gives a target up that does not take over within an election timeout; then, and where a third member wins, the
 * call times out, as etcd's does.
 */
export function moveLeader(
  member: LeavingLeader,
  { to, clock }: { readonly to: MemberId; readonly clock: Clock },
): Promise<void> {
  if (!member.isLeader) return Promise.reject(new StoreError('not-leader'));
  if (to === member.id) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (run: () => void) => {
      timer.cancel();
      leave();
      run();
    };
    const timer = clock.setTimer(member.requestTimeoutMs, () => settle(() => reject(new StoreError('timeout'))));
    // Before the transfer: the new leader may be known within it.
    const leave = member.onRole(({ leader }) => {
      if (leader === to) settle(resolve);
    });
    if (!member.transferLeader(to)) settle(() => reject(new StoreError('bad-leader-transferee')));
  });
}
