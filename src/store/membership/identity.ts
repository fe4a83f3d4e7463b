/** How ids follow from addresses, as etcd derives them, and which addresses a member may have. */
import { createHash, type Hash } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';
import type { MemberId } from '../raft/core/types.ts';

/**
 * The first eight bytes of the SHA-1 of the sorted peer URLs and the token; of a member that is added later, with the
 * second it was added in place of the token: one that comes back at the same address is another member. Never 0.
 */
export function memberIdOf(peerUrls: readonly string[], { token = '', addedAt }: { token?: string; addedAt?: Millis }): MemberId {
  const time = addedAt === undefined ? '' : String(Math.floor(addedAt / 1000));
  return firstUint64(createHash('sha1').update([...peerUrls].sort().join('') + token + time));
}

/** Of the ids of those that the cluster begins with, sorted. */
export function clusterIdOf(ids: readonly MemberId[]): bigint {
  const hash = createHash('sha1');
  for (const id of ids) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(id);
    hash.update(bytes);
  }
  return firstUint64(hash);
}

function firstUint64(hash: Hash): bigint {
  const id = hash.digest().readBigUInt64BE(0);
  return id === 0n ? 1n : id;
}

/** Sorted; undefined where one is no `http://host:port`, or there is none. */
export function peerUrlsOf(texts: readonly string[]): string[] | undefined {
  const urls = texts.map((text) => (/^https?:\/\/[^/?#]+:\d+\/?$/.test(text) ? text.replace(/\/$/, '') : undefined));
  if (urls.length === 0 || urls.includes(undefined)) return undefined;
  return (urls as string[]).sort(); // None is undefined.
}
