import { expect, test } from 'vitest';
import { Health } from '../../src/proto/health.ts';
import { bind, RpcCode, type CallContext } from '../../src/proto/rpc.ts';
import { onlyFor } from '../../src/store/peer-names.ts';

const bound = bind(Health, { check: () => ({}) });
const caller = (identity: string | undefined): CallContext => ({
  ...{ signal: new AbortController().signal, metadata: { get: () => undefined }, peer: '', deadlineMs: undefined },
  identity,
});

test('onlyFor() lets in the names that it is given, and nobody without a name', () => {
  const { handlers } = onlyFor(bound, ['a', 'b']);
  const request = {} as never; // whatever it is, it does not come so far
  expect(handlers['check']!(request, caller('b'))).toEqual({});
  for (const identity of ['c', '', undefined]) {
    expect(() => handlers['check']!(request, caller(identity))).toThrow(
      expect.objectContaining({ code: RpcCode.PERMISSION_DENIED }),
    );
  }
  expect(handlers['watch']).toBeUndefined();
});

test('onlyFor() without names leaves a service as it is', () => {
  expect(onlyFor(bound, [])).toBe(bound);
});
