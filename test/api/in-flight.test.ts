/** Seats for requests, which both faces share. */
import { expect, test } from 'vitest';
import { ANONYMOUS, AUTHENTICATED, IN_PROCESS, MASTERS, type User } from '../../src/api/access.ts';
import { mapApiError } from '../../src/api/grpc/resources.ts';
import { InFlight } from '../../src/api/in-flight.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { RetryInfo, Status } from '../../src/proto/google.ts';
import { RpcCode } from '../../src/proto/rpc.ts';

const user = (name: string, ...groups: readonly string[]): User => ({ name, uid: '', groups: [...groups, AUTHENTICATED], extra: {} });
const stranger = user('somebody', 'viewers');

test.each([
  ['an administrator', user('alice', MASTERS)],
  ['a node', user('system:node:n1', 'system:nodes')],
  ['the scheduler', user('system:kube-scheduler')],
  ['the controllers', user('system:kube-controller-manager')],
  ['this process', IN_PROCESS],
])('%s is let in where strangers are refused, and not without end', (_, trusted) => {
  const inFlight = new InFlight({ readOnlyInFlightMax: 2 });
  const leave = [inFlight.enter('readOnly', stranger), inFlight.enter('readOnly', stranger)];
  for (const other of [stranger, ANONYMOUS, user('system:node:n1'), user('n1', 'system:nodes')]) expect(() => inFlight.enter('readOnly', other)).toThrow('too many requests');
  for (let n = 2; n < 10; n++) leave.push(inFlight.enter('readOnly', trusted));
  expect(() => inFlight.enter('readOnly', trusted)).toThrow('too many requests');
  expect(() => inFlight.enter('mutating', stranger)).not.toThrow();
  for (const each of leave) each();
  expect(inFlight.counts).toEqual({ readOnly: 0, mutating: 1, longRunning: 0 });
});

test('who has left leaves once', () => {
  const inFlight = new InFlight();
  const leave = inFlight.enter('longRunning', stranger);
  inFlight.enter('longRunning', stranger);
  leave();
  leave();
  expect(inFlight.counts.longRunning).toBe(1);
});

test('over gRPC it is RESOURCE_EXHAUSTED, and says when to come again in the words of gRPC', () => {
  const inFlight = new InFlight({ watchesMax: 0 });
  let refused: unknown;
  try {
    inFlight.enter('longRunning', stranger);
  } catch (error) {
    refused = error;
  }
  const error = mapApiError(refused)!;
  expect(error.code).toBe(RpcCode.RESOURCE_EXHAUSTED);
  const retry = Status.decode(error.details!).details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.RetryInfo');
  expect(RetryInfo.decode(retry!.value).retryDelay).toEqual({ seconds: 1, nanos: 0 });
  const other = mapApiError(new ApiError('NotFound', 'gone'))!;
  expect(Status.decode(other.details!).details).toHaveLength(1);
});
