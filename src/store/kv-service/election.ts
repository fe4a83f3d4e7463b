/**
 * v3electionpb.Election: the same queue as a lock's, in which the holder's value is what it proclaims. What is said of
 * locks (lock.ts) holds here: a leader that is cut off does not know that it no longer leads, and guards its writes by
 * a compare of its key's create revision, LeaderKey.rev.
 */
import { equalBytes } from '../../base/bytes.ts';
import type { Election, KeyValue, LeaderKey, LeaderResponse, ResponseHeader } from '../../proto/etcd.ts';
import type { CallContext, Handlers } from '../../proto/rpc.ts';
import type { Init } from '../../proto/wire.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { requireLeader } from './core.ts';
import { KeyQueue, unknown, type KeyQueueOptions, type Place } from './key-queue.ts';

export function electionHandlers(options: KeyQueueOptions): Handlers<typeof Election> {
  const queueOf = (name: Uint8Array, context: CallContext): KeyQueue => {
    requireLeader(options.core, context);
    return new KeyQueue(options, context, name);
  };
  return {
    async campaign({ name, lease, value }, context) {
      const queue = queueOf(name, context);
      const place = await queue.enter(lease, value);
      try {
        const { existing } = place;
        if (existing !== undefined && !equalBytes(existing.value, value)) await proclaim(queue, place, value);
        if (!place.isFirst) await queue.first(place);
      } catch (error) {
        await queue.leave(place);
        throw error;
      }
      const { key, revision, lease: session, header } = place;
      return { header, leader: { name, key, rev: revision, lease: session } };
    },
    async proclaim({ leader, value }, context) {
      const { name, key, rev, lease } = required(leader);
      const queue = queueOf(name, context);
      return { header: await proclaim(queue, { key, revision: rev, lease: await queue.session(lease) }, value) };
    },
    async leader({ name }, context) {
      const { header, kv } = await queueOf(name, context).holder();
      if (kv === undefined) throw unknown('election: no leader');
      return { header, kv };
    },
    observe: ({ name }, context) => observe(queueOf(name, context)),
    async resign({ leader }, context) {
      const { name, key, rev } = required(leader);
      // Whoever leads no more has nothing to give up: that is no failure.
      const op = { request: { case: 'requestDeleteRange', value: { key } } } as const;
      const { header } = await queueOf(name, context).ifStill(key, rev, op);
      return { header };
    },
  };
}

function required(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw unknown('"leader" field must be provided');
  return leader;
}

async function proclaim(
  queue: KeyQueue,
  { key, revision, lease }: Pick<Place, 'key' | 'revision' | 'lease'>,
  value: Uint8Array,
): Promise<ResponseHeader> {
  const op = { request: { case: 'requestPut', value: { key, value, lease } } } as const;
  const { header, succeeded } = await queue.ifStill(key, revision, op);
  if (!succeeded) throw unknown('election: not leader');
  return header;
}

/** Follows the key that holds until it is deleted, then looks for the next. No proclamation of a followed key is left out. */
async function* observe(queue: KeyQueue): AsyncGenerator<Init<LeaderResponse>> {
  for (;;) {
    const { header, kv } = await queue.holder();
    const first = kv ?? (await firstPut(queue, header.revision + 1));
    if (first === undefined) continue;
    const at = kv === undefined ? first.modRevision : header.revision;
    yield { header: { ...header, revision: at }, kv: first };
    yield* follow(queue, { key: first.key, from: at + 1, header });
  }
}

/** undefined: history was compacted meanwhile. */
async function firstPut(queue: KeyQueue, from: Revision): Promise<KeyValue | undefined> {
  const watched = queue.watch({ key: queue.prefix, isPrefix: true, from });
  try {
    for (;;) {
      const batch = await watched.next();
      if (batch === 'compacted') return undefined;
      const put = batch.find(({ isDelete }) => !isDelete);
      if (put !== undefined) return put.kv;
    }
  } finally {
    watched.close();
  }
}

async function* follow(
  queue: KeyQueue,
  { key, from, header }: { readonly key: Uint8Array; readonly from: Revision; readonly header: ResponseHeader },
): AsyncGenerator<Init<LeaderResponse>> {
  const watched = queue.watch({ key, isPrefix: false, from });
  try {
    for (;;) {
      const batch = await watched.next();
      if (batch === 'compacted') return;
      for (const { isDelete, kv } of batch) {
        if (isDelete) return;
        yield { header: { ...header, revision: kv.modRevision }, kv };
      }
    }
  } finally {
    watched.close();
  }
}

