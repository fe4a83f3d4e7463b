/** etcdserverpb.Maintenance: how a member is. Alarms are never raised yet; the rest is unimplemented. */
import { AlarmAction, Maintenance } from '../../proto/etcd.ts';
import { bind, RpcCode, RpcError, type BoundService } from '../../proto/rpc.ts';
import type { Member } from '../member.ts';
import { mapStoreError } from './errors.ts';

/** The etcd whose interface this is: clients decide by it what they may ask for. */
export const ETCD_VERSION = '3.7.0';

export function maintenanceService(member: Member): BoundService {
  return bind(
    Maintenance,
    {
      status: async () => {
        const { leader, commit, term, applied } = member.status();
        const bytes = await member.sizeBytes();
        return {
          header: member.header(),
          version: ETCD_VERSION,
          storageVersion: ETCD_VERSION,
          dbSize: bytes,
          dbSizeInUse: bytes,
          leader,
          raftIndex: commit,
          raftTerm: term,
          raftAppliedIndex: applied,
          isLearner: member.membership.isLearner,
          errors: leader === 0n ? ['etcdserver: no leader'] : [],
        };
      },
      alarm: ({ action }) => {
        if (action !== AlarmAction.GET)
          throw new RpcError(RpcCode.UNIMPLEMENTED, 'alarms are not raised yet: only GET');
        return { header: member.header(), alarms: [] };
      },
    },
    mapStoreError,
  );
}
