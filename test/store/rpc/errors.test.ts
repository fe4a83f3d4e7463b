import { expect, test } from 'vitest';
import { RpcCode } from '../../../src/proto/rpc.ts';
import { mapStoreError, StoreError, storeErrorText } from '../../../src/store/rpc/errors.ts';

test('a store error crosses with the status and text that etcd clients match on', () => {
  expect(mapStoreError(new StoreError('compacted'))).toMatchObject({
    code: RpcCode.OUT_OF_RANGE,
    message: 'etcdserver: mvcc: required revision has been compacted',
  });
  expect(mapStoreError(new StoreError('no-leader'))).toMatchObject({
    code: RpcCode.UNAVAILABLE,
    message: 'etcdserver: no leader',
  });
  expect(storeErrorText('lease-not-found')).toBe('etcdserver: requested lease not found');
  expect(mapStoreError(new Error('else'))).toBeUndefined();
});
