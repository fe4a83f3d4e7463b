/** What a learner serves: it may be far behind and counts in no quorum, so it answers for itself alone (etcd's rule). */
import { RpcCode, RpcError, type AnyHandler, type BoundService } from '../../proto/rpc.ts';
import { mapStoreError, StoreError } from '../rpc/errors.ts';

const SERVED = new Set(['etcdserverpb.Maintenance/status', 'etcdserverpb.Maintenance/snapshot']);
const RANGE = 'etcdserverpb.KV/range';

/** The service, refused for as long as this member learns, but for what a learner serves. */
export function refusingLearners(bound: BoundService, isLearner: () => boolean): BoundService {
  const entries = Object.entries(bound.handlers).map(([name, handler]) => {
    const path = `${bound.service.typeName}/${name}`;
    if (handler === undefined || SERVED.has(path)) return [name, handler] as const;
    const guarded: AnyHandler = (request, context) => {
      if (isLearner() && !(path === RANGE && isSerializable(request))) throw refusal();
      return handler(request, context);
    };
    return [name, guarded] as const;
  });
  return { ...bound, handlers: Object.fromEntries(entries) };
}

function isSerializable(request: unknown): boolean {
  return typeof request === 'object' && request !== null && 'serializable' in request && request.serializable === true;
}

function refusal(): RpcError {
  return mapStoreError(new StoreError('not-supported-for-learner')) ?? new RpcError(RpcCode.UNIMPLEMENTED, '');
}
