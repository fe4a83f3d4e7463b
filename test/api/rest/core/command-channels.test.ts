import { expect, test } from 'vitest';
import { channelMessage, endStatus, failureStatus, readCommandMessage, readSize } from '../../../../src/api/rest/core/command-channels.ts';

const read = (bytes: readonly number[], protocol: 'v4.channel.k8s.io' | 'v5.channel.k8s.io' = 'v5.channel.k8s.io') => readCommandMessage(Uint8Array.from(bytes), protocol);
const json = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as unknown;

test('readCommandMessage() tells channels apart, and passes over what says nothing', () => {
  expect(read([0, 97, 98])).toEqual({ kind: 'stdin', bytes: Uint8Array.of(97, 98) });
  expect(read([4, ...Buffer.from('{"Width":80,"Height":24}')])).toEqual({ kind: 'size', width: 80, height: 24 });
  for (const nothing of [[], [0], [1, 97], [3, 97], [4, 123], [7, 1], [255], [255, 1]]) expect(read(nothing)).toEqual({ kind: 'none' });
});

test('only v5 can close its input', () => {
  expect(read([255, 0])).toEqual({ kind: 'stdin-end' });
  expect(read([255, 0], 'v4.channel.k8s.io')).toEqual({ kind: 'none' });
});

test.each(['', '[]', 'null', '{"Width":1}', '{"Width":-1,"Height":1}', '{"Width":1.5,"Height":1}', '{"Width":65536,"Height":1}', '{"Width":"1","Height":1}'])('readSize() takes no %j', (text) => {
  expect(readSize(Buffer.from(text))).toBeUndefined();
});

test('endStatus() is Kubernetes’ v4 status', () => {
  expect(json(endStatus({ exitCode: 0, error: '' }))).toEqual({ metadata: {}, status: 'Success' });
  expect(json(endStatus({ exitCode: 7, error: '' }))).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '7' }] } });
  expect(json(endStatus({ exitCode: 0, error: 'no such program' }))).toMatchObject({ status: 'Failure', reason: 'InternalError', message: 'Internal error occurred: no such program' });
  expect(json(failureStatus('gone'))).toMatchObject({ message: 'gone', code: 500 });
  expect([...channelMessage(1, Uint8Array.of(5))]).toEqual([1, 5]);
});
