/**
 * Alarms, part of the replicated state: which member has raised what, and which commands are refused for it. A refusal
 * is decided here, where commands are applied, so that every replica refuses the same ones; the edge asks as well, to
 * spare the log what will be refused.
 *
 *   NOSPACE   what takes space is refused; deletes, compaction and reads go on, for they are the way out
 *   CORRUPT   every write is refused; reads, snapshots and alarms go on (as in etcd: its apply wraps writes only)
 */
import { AlarmAction, AlarmType, type AlarmMember, type AlarmRequest, type RequestOp } from '../../../proto/etcd.ts';
import type { Command } from '../../mvcc/command.ts';

export type AlarmRefusal = { readonly ok: false; readonly code: 'no-space' | 'corrupt' };

/** etcd's: what a put costs beside its key and value, and what a lease does. */
const PUT_OVERHEAD_BYTES = 256;
const LEASE_BYTES = 64;
/** What a corrupt cluster refuses: the rest, alarms and users among it, must work to get out of there. */
const TOUCHES_DATA: ReadonlySet<Command['kind']> = new Set<Command['kind']>([
  'put',
  'delete-range',
  'txn',
  'compaction',
  'lease-grant',
  'lease-revoke',
]);

export class Alarms {
  /** Ordered by type, then member, so that every replica lists and stores the same bytes. */
  #raised: readonly AlarmMember[] = [];

  /** All of a type; NONE is every type. */
  list(type: number = AlarmType.NONE): readonly AlarmMember[] {
    return type === AlarmType.NONE ? this.#raised : this.#raised.filter(({ alarm }) => alarm === type);
  }

  has(type: number, member?: bigint): boolean {
    return this.#raised.some(({ alarm, memberId }) => alarm === type && (member === undefined || memberId === member));
  }

  /** At boot. */
  load(raised: readonly AlarmMember[]): void {
    this.#raised = [...raised].sort(compare);
  }

  /** Answers the alarms that the request names: the raised one, the disarmed one if it was raised, or the list. */
  apply({ action, memberId, alarm }: AlarmRequest): readonly AlarmMember[] {
    if (action === AlarmAction.GET) return this.list(alarm);
    // etcd 3.4 panics on an alarm of no type; later ones answer nothing.
    if (alarm !== AlarmType.NOSPACE && alarm !== AlarmType.CORRUPT) return [];
    const isRaised = this.has(alarm, memberId);
    if (action === AlarmAction.ACTIVATE) {
      if (!isRaised) this.#raised = [...this.#raised, { memberId, alarm }].sort(compare);
      return [{ memberId, alarm }];
    }
    if (action !== AlarmAction.DEACTIVATE || !isRaised) return [];
    this.#raised = this.#raised.filter((raised) => raised.alarm !== alarm || raised.memberId !== memberId);
    return [{ memberId, alarm }];
  }

  refusalOf(command: Command): AlarmRefusal | undefined {
    if (this.#raised.length === 0) return undefined;
    if (this.has(AlarmType.CORRUPT) && TOUCHES_DATA.has(command.kind)) return { ok: false, code: 'corrupt' };
    return this.has(AlarmType.NOSPACE) && costOf(command) > 0 ? { ok: false, code: 'no-space' } : undefined;
  }
}

/** Bytes that a command may add to the state; 0 for what adds none. */
export function costOf(command: Command): number {
  switch (command.kind) {
    case 'put':
      return putCost(command.request);
    case 'txn':
      return Math.max(opsCost(command.request.success), opsCost(command.request.failure));
    case 'lease-grant':
      return LEASE_BYTES;
    default:
      return 0;
  }
}

function putCost({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array }): number {
  return PUT_OVERHEAD_BYTES + key.length + value.length;
}

function opsCost(ops: readonly RequestOp[]): number {
  let cost = 0;
  for (const { request: op } of ops) {
    if (op?.case === 'requestPut') cost += putCost(op.value);
    // etcd counts nested puts as nothing, which would be a way around the quota.
    else if (op?.case === 'requestTxn') cost += Math.max(opsCost(op.value.success), opsCost(op.value.failure));
  }
  return cost;
}

function compare(a: AlarmMember, b: AlarmMember): number {
  if (a.alarm !== b.alarm) return a.alarm - b.alarm;
  return a.memberId < b.memberId ? -1 : a.memberId > b.memberId ? 1 : 0;
}
