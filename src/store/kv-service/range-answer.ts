/** A range's answer as the bytes of its RangeResponse, of its exact size, each value copied once. */
import { EMPTY_BYTES } from '../../base/bytes.ts';
import { ResponseHeader } from '../../proto/etcd.ts';
import { keyValueSize, varintSize, writeKeyValue, writeVarint } from '../mvcc/core/key-value-bytes.ts';
import type { Mvcc } from '../mvcc/core/mvcc.ts';
import type { Write } from '../mvcc/core/revision.ts';

export interface RangeAnswer {
  /** Of a streamed range only the last part has one. */
  readonly header: ResponseHeader | undefined;
  readonly writes: readonly Write[];
  readonly keysOnly: boolean;
  readonly more: boolean;
  readonly count: number;
}

// Field number and wire type, of etcdserverpb.RangeResponse.
const HEADER = (1 << 3) | 2;
const KVS = (2 << 3) | 2;
const MORE = 3 << 3;
const COUNT = 4 << 3;
/** RangeStreamResponse.range_response. */
const RANGE_RESPONSE = (1 << 3) | 2;

/** Where a pooled buffer ends to be worth it; a larger answer has one to itself. */
const POOLED_BYTES_MAX = 2048;

export function encodeRangeAnswer(mvcc: Mvcc, answer: RangeAnswer): Uint8Array {
  const plan = planOf(mvcc, answer);
  const out = allocate(plan.size);
  write(out, 0, answer, plan);
  return out;
}

/** The same as a part of a stream. */
export function encodeRangePart(mvcc: Mvcc, answer: RangeAnswer): Uint8Array {
  const plan = planOf(mvcc, answer);
  const out = allocate(1 + varintSize(plan.size) + plan.size);
  out[0] = RANGE_RESPONSE;
  write(out, writeVarint(out, 1, plan.size), answer, plan);
  return out;
}

interface Plan {
  readonly header: Uint8Array | undefined;
  readonly values: readonly Uint8Array[];
  /** Of each KeyValue. */
  readonly sizes: readonly number[];
  readonly size: number;
}

function planOf(mvcc: Mvcc, { header, writes, keysOnly, more, count }: RangeAnswer): Plan {
  const values = keysOnly ? writes.map(() => EMPTY_BYTES) : mvcc.values(writes);
  const sizes: number[] = [];
  const head = header === undefined ? undefined : ResponseHeader.encode(header);
  let size = head === undefined ? 0 : 1 + varintSize(head.length) + head.length;
  for (let at = 0; at < writes.length; at++) {
    const bytes = keyValueSize(writes[at]!, values[at]!.length);
    sizes.push(bytes);
    size += 1 + varintSize(bytes) + bytes;
  }
  if (more) size += 2;
  if (count !== 0) size += 1 + varintSize(count);
  return { header: head, values, sizes, size };
}

function write(out: Buffer, start: number, { writes, more, count }: RangeAnswer, { header, values, sizes }: Plan): void {
  let at = start;
  if (header !== undefined) {
    out[at++] = HEADER;
    at = writeVarint(out, at, header.length);
    out.set(header, at);
    at += header.length;
  }
  for (let index = 0; index < writes.length; index++) {
    out[at++] = KVS;
    at = writeKeyValue(out, writeVarint(out, at, sizes[index]!), writes[index]!, values[index]!);
  }
  if (more) {
    out[at++] = MORE;
    out[at++] = 1;
  }
  if (count !== 0) {
    out[at++] = COUNT;
    writeVarint(out, at, count);
  }
}

function allocate(size: number): Buffer {
  return size <= POOLED_BYTES_MAX ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
}
