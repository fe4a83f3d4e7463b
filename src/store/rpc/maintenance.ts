/** etcdserverpb.Maintenance: how a member is, its alarms, and what an operator does to it. */
import {
  AlarmAction,
  AlarmType,
  DowngradeAction,
  Maintenance,
  type AlarmMember,
  type AlarmRequest,
  type DowngradeRequest,
  type DowngradeResponse,
  type SnapshotResponse,
  type StatusResponse,
} from '../../proto/etcd.ts';
import { bind, RpcCode, RpcError, type BoundService } from '../../proto/rpc.ts';
import type { Init } from '../../proto/wire.ts';
import { headerAt, run } from '../kv-service/core.ts';
import { downgradeTarget } from '../maintenance/core/downgrade.ts';
import type { Member } from '../member.ts';
import { AS_STORE } from '../mvcc/command.ts';
import { snapshotBlobs } from '../snapshot-file.ts';
import { mapStoreError, StoreError, storeErrorText } from './errors.ts';

/** The etcd whose interface this is: clients decide by it what they may ask for. */
export const ETCD_VERSION = '3.7.0';
/** All members may be relied on for so much. */
export const CLUSTER_VERSION = ETCD_VERSION.replace(/\.\d+$/, '');

export function maintenanceService(member: Member): BoundService {
  return bind(
    Maintenance,
    {
      status: () => status(member),
      alarm: async (request) => {
        const alarms = await alarm(member, request);
        return { header: member.header(), alarms: [...alarms] };
      },
      defragment: async () => {
        await member.defragment();
        return { header: member.header() };
      },
      hash: async () => {
        const hash = await member.hashWhole();
        return { header: member.header(), hash };
      },
      hashKV: async ({ revision }) => {
        const { hash, hashRevision, compactRevision } = await member.hashKv(revision);
        return { header: member.header(), hash, hashRevision, compactRevision };
      },
      snapshot: () => snapshot(member),
      moveLeader: async ({ targetId }) => {
        await member.moveLeader(targetId);
        return { header: member.header() };
      },
      downgrade: (request) => downgrade(member, request),
    },
    mapStoreError,
  );
}

async function status(member: Member): Promise<Init<StatusResponse>> {
  const { leader, commit, term, applied } = member.status();
  const bytes = await member.sizeBytes();
  const { alarms, downgrade: downgradeInfo } = member.machine;
  return {
    header: member.header(),
    version: ETCD_VERSION,
    storageVersion: ETCD_VERSION,
    dbSize: bytes,
    dbSizeInUse: bytes,
    dbSizeQuota: member.quotaBytes,
    leader,
    raftIndex: commit,
    raftTerm: term,
    raftAppliedIndex: applied,
    isLearner: member.membership.isLearner,
    errors: [...(leader === 0n ? [storeErrorText('no-leader')] : []), ...alarms.list().map(alarmText)],
    downgradeInfo,
  };
}

/** As etcd prints the message, to the space at its end. */
function alarmText({ memberId, alarm: type }: AlarmMember): string {
  return `memberID:${memberId} alarm:${alarmName(type)} `;
}

export function alarmName(type: number): string {
  return Object.entries(AlarmType).find(([, value]) => value === type)?.[0] ?? String(type);
}

/** By the store's own right: who asks was checked at the door (auth/service-needs.ts). */
async function alarm(member: Member, request: AlarmRequest): Promise<readonly AlarmMember[]> {
  if (request.action === AlarmAction.GET) {
    await member.linearizable();
    return member.machine.alarms.list(request.alarm);
  }
  return (await run(member, { kind: 'alarm', request }, 'alarm', AS_STORE)).alarms;
}

/** One view from its first blob to its last, whatever is written meanwhile. */
async function* snapshot(member: Member): AsyncGenerator<Init<SnapshotResponse>> {
  // The revision before the view: the view may be newer by what was just applied, never older.
  const header = member.header();
  const open = await member.openSnapshot();
  try {
    const about = { revision: header.revision, clusterId: member.clusterId };
    for await (const blob of snapshotBlobs(open, about)) yield { header, version: ETCD_VERSION, ...blob };
  } finally {
    await open.close();
  }
}

async function downgrade(member: Member, { action, version }: DowngradeRequest): Promise<Init<DowngradeResponse>> {
  await member.linearizable();
  const state = member.machine.downgrade;
  const answer = (revision: number) => ({ header: headerAt(member, revision), version: CLUSTER_VERSION });
  switch (action) {
    case DowngradeAction.VALIDATE:
    case DowngradeAction.ENABLE: {
      const target = downgradeTarget(version, ETCD_VERSION, state);
      if (!target.ok) throw new StoreError(target.code);
      if (action === DowngradeAction.VALIDATE) return answer(member.machine.revision);
      const request = { action, version: target.version };
      return answer((await run(member, { kind: 'downgrade', request }, 'downgrade', AS_STORE)).revision);
    }
    case DowngradeAction.CANCEL: {
      // Where there is none to cancel etcd says so in its log alone.
      if (!state.enabled) return answer(member.machine.revision);
      const request = { action, version: '' };
      return answer((await run(member, { kind: 'downgrade', request }, 'downgrade', AS_STORE)).revision);
    }
    default:
      throw new RpcError(RpcCode.UNKNOWN, 'etcdserver: unknown method');
  }
}
