/** What the KV, Watch and Lease handlers need of a member. They know no transport and no Raft. */
import type { Credentials } from '../../proto/auth.ts';
import type { ResponseHeader } from '../../proto/etcd.ts';
import type { CallContext } from '../../proto/rpc.ts';
import type { Command } from '../mvcc/command.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { StoreError } from '../rpc/errors.ts';
import type { CommandOutcome, CommandResult, StateMachine } from '../state-machine.ts';

export interface StoreCore {
  /** Once through the log; answers when this member has applied it. Nobody's, where no credentials are given. */
  propose(command: Command, credentials?: Credentials): Promise<CommandOutcome>;
  /** Resolves when `machine` shows everything that was acknowledged before the call. */
  linearizable(signal?: AbortSignal): Promise<void>;
  /** Asked for anew each time: an installed snapshot replaces it. */
  readonly machine: StateMachine;
  /** Made anew each time: whoever asks may change it. */
  header(): ResponseHeader;
  /** 0 when none is known. */
  readonly leader: bigint;
  /** Resolves when the space of all compactions so far was given back. */
  scrubbed?(): Promise<void>;
  /** Throws where its caller may no longer do what he was let do; for calls that last. */
  check?(): void;
}

/** A request that says `hasleader` would rather fail than wait for one (clientv3's WithRequireLeader). */
export function wantsLeader(context: CallContext): boolean {
  return context.metadata.get('hasleader') === 'true';
}

export function requireLeader(core: StoreCore, context: CallContext): void {
  if (wantsLeader(context) && core.leader === 0n) throw new StoreError('no-leader');
}

/** The member's header at the revision that the answer belongs to. */
export function headerAt(core: StoreCore, revision: Revision): ResponseHeader {
  const header = core.header();
  header.revision = revision;
  return header;
}

type ResultOf<K extends CommandResult['kind']> = Extract<CommandResult, { kind: K }>;

/** Proposes; what was refused becomes the edge's error. */
export async function run<K extends CommandResult['kind']>(
  core: StoreCore,
  command: Command,
  kind: K,
  credentials?: Credentials,
): Promise<ResultOf<K>> {
  return resultOf(await core.propose(command, credentials), kind);
}

/** Of what was applied; throws what the edge says of a refusal. */
export function resultOf<K extends CommandResult['kind']>(outcome: CommandOutcome, kind: K): ResultOf<K> {
  if (!outcome.ok) throw new StoreError(outcome.code);
  if (outcome.result.kind !== kind) throw new Error(`a ${kind} answered as a ${outcome.result.kind}`);
  return outcome.result as ResultOf<K>; // its kind was just compared
}
