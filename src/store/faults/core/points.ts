/**
 * The points of a member at which a fault can be had, by etcd's gofail names where the meaning is the same. What runs
 * there says `at` (something waits for it anyway, so that a sleep holds up that one thing) or `block` (it runs to
 * completion: a sleep holds up the whole member, which is one thread).
 *
 * Of the 41 faults of etcd's robustness suite these have no counterpart, and why:
 *   beforeStartDBTxn, afterStartDBTxn          there is no long read transaction: reads see the overlay and LevelDB
 *   beforeWritebackBuf, afterWritebackBuf      what is written is readable at once, no buffer is handed to readers
 *   defragBeforeRename                         LevelDB compacts in its own files; no copy takes their place
 *   beforeMoveVictims                          a watcher past its budget reads history, where beforeSyncWatchers is met
 *   MemberDowngrade, MemberDowngradeUpgrade    there is one version of the data, and no older one to go back to
 * The others are points below (29), the process's end, the network between members, and a member's replacement.
 */
export const AWAITED_POINTS = {
  raftBeforeSave: 'a batch of the log is about to be written',
  raftAfterSave: 'a batch of the log is synced, and nobody was told',
  raftBeforeSaveSnap: "a leader's snapshot is whole in a folder of its own, and the log does not know of it",
  raftAfterSaveSnap: 'the log knows of the snapshot, and CURRENT names the state before it',
  applyBeforeOpenSnapshot: 'the state of the snapshot is about to be opened',
  raftBeforeApplySnap: 'the state of the snapshot is open, and CURRENT names the one before it',
  raftAfterApplySnap: 'the snapshot is the state, and the consensus core was not told',
  raftAfterWALRelease: 'segments of the log that nobody needs were removed',
  commitBeforePreCommitHook: 'a batch for the backend is about to be put together with its applied index',
  commitAfterPreCommitHook: 'the batch carries its applied index',
  beforeCommit: 'the batch is about to be written to the backend',
  afterCommit: 'the batch is durable, and the member does not know',
  compactBeforeCommitScheduledCompact: 'a batch with a new compacted revision is about to be written',
  compactAfterCommitScheduledCompact: 'that batch is durable',
  compactBeforeCommitBatch: 'a batch that deletes what was compacted is about to be written',
  compactAfterCommitBatch: 'that batch is durable',
  compactBeforeSetFinishedCompact: 'the last batch of a compaction is about to be written',
  compactAfterSetFinishedCompact: 'that batch is durable: the compaction has given back everything',
  defragBeforeCopy: 'a defragmentation is about to have LevelDB rewrite its files',
  defragAfterCopy: "LevelDB has rewritten its files (ours; etcd's second point is before a rename)",
  beforeSendWatchResponse: 'a response is about to be sent to a watch stream',
  beforeSyncWatchers: 'a watch stream is about to read history for a watcher that is behind',
  beforeProgressIfSync: "a client's request for progress is about to be looked at",
} as const;

export const BLOCKING_POINTS = {
  raftBeforeLeaderSend: 'a leader is about to send appends and heartbeats',
  raftBeforeFollowerSend: 'a follower is about to send what it may say only after a sync',
  beforeApply: 'an entry is about to be applied (ours)',
  afterApply: 'an entry is applied, and the core was not told (ours)',
  beforeApplyOneConfChange: 'a change of members is about to be applied',
} as const;

/** A sleep there holds up what reached it. */
export type AwaitedPoint = keyof typeof AWAITED_POINTS;
/** A sleep there holds up the member. */
export type BlockingPoint = keyof typeof BLOCKING_POINTS;
export type FaultPoint = AwaitedPoint | BlockingPoint;

const ALL: ReadonlyMap<string, string> = new Map([...Object.entries(AWAITED_POINTS), ...Object.entries(BLOCKING_POINTS)]);

export const FAULT_POINTS: readonly string[] = [...ALL.keys()];

export function isFaultPoint(name: string): name is FaultPoint {
  return ALL.has(name);
}

export function meaningOf(point: FaultPoint): string {
  return ALL.get(point)!;
}
