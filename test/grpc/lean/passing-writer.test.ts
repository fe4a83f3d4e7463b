import { expect, test } from 'vitest';
import { PassingWriter } from '../../../src/grpc/lean/passing-writer.ts';

test.each([0, 1, 100, 1_023, 1_024, 1_025, 5_000])('a message of %i bytes is longer than itself, or its own', (length) => {
  const writer = new PassingWriter();
  writer.raw(new Uint8Array(length).fill(7));
  const { message } = writer;
  expect(writer.length).toBe(length);
  expect(message.subarray(0, length)).toEqual(new Uint8Array(length).fill(7));
  writer.reset();
  writer.raw(new Uint8Array(length).fill(8));
  // Whoever keeps it takes one that is longer for a place of passage (StreamOutput.message).
  if (message.length === length) expect(message).toEqual(new Uint8Array(length).fill(7));
  else expect(message.length).toBeGreaterThan(length);
});
