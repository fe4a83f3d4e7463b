/**
 * What a member tells Prometheus: etcd's names where the meaning is etcd's, `podium_` for the rest. Nothing below knows
 * of it: calls are counted by the server's observer (call-metrics.ts), what goes between members by the transport
 * (peer-metrics.ts), syncs by a disk that is wrapped, and the rest is asked at a scrape.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Disk, DiskFile } from '../../base/disk.ts';
import { systemErrorCode } from '../../base/errors.ts';
import { addProcessMetrics } from '../../base/process-metrics.ts';
import { Registry, type Histogram, type Sample } from '../../base/prometheus.ts';
import type { Member } from '../member.ts';
import type { Backend, BackendFactory } from '../mvcc/backend.ts';
import { CLUSTER_VERSION, ETCD_VERSION } from '../rpc/maintenance.ts';
import type { ProgressState } from '../raft/core/progress.ts';
import type { PeerStatus } from '../raft/core/raft.ts';
import type { LogIndex } from '../raft/core/types.ts';
import type { StateMachine } from '../state-machine.ts';
import { CallMetrics } from './call-metrics.ts';

/** etcd's: from a millisecond, doubling. */
const SECONDS: readonly number[] = Array.from({ length: 14 }, (_, power) => 0.001 * 2 ** power);

/** By the number that stands for each. */
const PROGRESS_STATES: readonly ProgressState[] = ['probe', 'replicate', 'snapshot'];

export class StoreMetrics {
  readonly registry = new Registry();
  readonly #clock: Clock;
  readonly #walSync: Histogram;
  readonly #commit: Histogram;
  readonly #calls: CallMetrics;

  /** `hasCallTimes`: etcd's `--metrics=extensive`. */
  constructor(clock: Clock, hasCallTimes = false) {
    this.#clock = clock;
    this.#walSync = this.registry.histogram('etcd_disk_wal_fsync_duration_seconds', 'The latency distributions of fsync called by WAL.', SECONDS);
    this.#commit = this.registry.histogram(
      'etcd_disk_backend_commit_duration_seconds',
      'The latency distributions of commit called by backend.',
      SECONDS,
    );
    this.#calls = new CallMetrics(this.registry, hasCallTimes ? clock : undefined);
    addProcessMetrics(this.registry, clock.wall());
  }

  /** For the server of clients. */
  get observe(): CallMetrics['observe'] {
    return this.#calls.observe;
  }

  /** Times the syncs of files: but for a few at the start, and of snapshots, they are the log's. */
  timedDisk(disk: Disk): Disk {
    return {
      open: async (path, options) => this.#timedFile(await disk.open(path, options)),
      exists: (path) => disk.exists(path),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      makeDir: (path) => disk.makeDir(path),
      list: (path) => disk.list(path),
      syncDir: (path) => disk.syncDir(path),
      turnEnd: () => disk.turnEnd?.(),
      turnWritten: () => disk.turnWritten?.(),
    };
  }

  timedBackends(backends: BackendFactory): BackendFactory {
    return {
      open: async (path) => this.#timedBackend(await backends.open(path)),
      destroy: (path) => backends.destroy(path),
    };
  }

  #timedFile(file: DiskFile): DiskFile {
    return {
      path: file.path,
      size: () => file.size(),
      read: (offset, length) => file.read(offset, length),
      writeAt: (offset, parts) => file.writeAt(offset, parts),
      datasync: () => this.#time(this.#walSync, () => file.datasync()),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  }

  #timedBackend(backend: Backend): Backend {
    return {
      get: (key) => backend.get(key),
      batch: (ops) => this.#time(this.#commit, () => backend.batch(ops)),
      scan: (range) => backend.scan(range),
      snapshot: () => backend.snapshot(),
      sizeBytes: () => backend.sizeBytes(),
      compact: async () => backend.compact?.(),
      close: () => backend.close(),
    };
  }

  /** Beside who waits for it: that one's turn comes no later. */
  #time(histogram: Histogram, begin: () => Promise<void>): Promise<void> {
    const startedAt = this.#clock.monotonic();
    const work = begin();
    work.then(
      () => histogram.observe((this.#clock.monotonic() - startedAt) / 1000),
      () => undefined, // who waits for it is told
    );
    return work;
  }

  /** To be called once, when the member is there. `walFolder`: where its log lies on this machine. */
  addMember(member: Member, walFolder: string): void {
    addRaft(this.registry, member);
    addProgress(this.registry, member);
    addMvcc(this.registry, member);
    this.registry.add('gauge', 'podium_wal_size_bytes', 'What the files of the log take up, what is prepared for it included.', () => folderBytes(walFolder));
  }
}

function addRaft(registry: Registry, member: Member): void {
  let changes = 0;
  let last = 0n;
  member.onRole(({ leader }) => {
    if (leader !== last && leader !== 0n) changes++;
    last = leader;
  });
  const gauge = (name: string, help: string, value: () => number | readonly Sample[]) => registry.add('gauge', name, help, value);
  gauge('etcd_server_has_leader', 'Whether or not a leader exists. 1 is existence, 0 is not.', () => (member.leader === 0n ? 0 : 1));
  gauge('etcd_server_is_leader', 'Whether or not this member is a leader. 1 if is, 0 otherwise.', () => (member.isLeader ? 1 : 0));
  gauge('etcd_server_is_learner', 'Whether or not this member is a learner. 1 if is, 0 otherwise.', () => (member.membership.isLearner ? 1 : 0));
  gauge('etcd_server_id', 'The id of this member, as a label.', () => [{ labels: { server_id: member.id.toString(16) }, value: 1 }]);
  registry.add('counter', 'etcd_server_leader_changes_seen_total', 'The number of leader changes seen.', () => changes);
  gauge('etcd_server_proposals_committed_total', 'The total number of consensus proposals committed.', () => member.status().commit);
  gauge('etcd_server_proposals_applied_total', 'The total number of consensus proposals applied.', () => member.status().applied);
  gauge('etcd_server_proposals_pending', 'The current number of pending proposals to commit.', () => member.proposals.pending);
  registry.add('counter', 'etcd_server_proposals_failed_total', 'The total number of failed proposals seen.', () => member.proposals.failed);
  gauge('etcd_server_version', "Which version is running. 1 for 'server_version' label with current version.", () => [
    { labels: { server_version: ETCD_VERSION }, value: 1 },
  ]);
  gauge('etcd_cluster_version', "Which version is running. 1 for 'cluster_version' label with current cluster version", () => [
    { labels: { cluster_version: CLUSTER_VERSION }, value: 1 },
  ]);
  gauge('podium_raft_term', 'The term of this member.', () => member.status().term);
  gauge('podium_raft_log_entries', 'Entries that the log holds.', () => member.status().lastIndex - member.status().firstIndex + 1);
}

/** etcd tells of no follower alone, so the names are ours; the words are those of Raft's core (raft/core/progress.ts). */
function addProgress(registry: Registry, member: Member): void {
  const add = (name: string, help: string, value: (peer: PeerStatus, lastIndex: LogIndex) => number) => {
    registry.add('gauge', `podium_raft_progress_${name}`, help, () => {
      const { peers, id, lastIndex } = member.status();
      const others = peers.filter((peer) => peer.member !== id);
      return others.map((peer) => ({ labels: { member: peer.member.toString(16) }, value: value(peer, lastIndex) }));
    });
  };
  add('match_index', 'Of a leader: up to where a member is known to have the log.', ({ match }) => match);
  add('next_index', 'Of a leader: the first entry that it has not yet sent to a member.', ({ next }) => next);
  add('inflight_messages', 'Of a leader: appends that a member has not yet answered.', ({ inflight }) => inflight);
  add('lag_entries', "Of a leader: entries of its log that a member is not known to have.", ({ match }, lastIndex) => lastIndex - match);
  add('state', 'Of a leader: how it sends to a member. 0: probe, 1: replicate, 2: snapshot.', ({ state }) => PROGRESS_STATES.indexOf(state));
}

function addMvcc(registry: Registry, member: Member): void {
  const gauge = (name: string, help: string, value: () => number | Promise<number>) => registry.add('gauge', name, help, value);
  const counter = (name: string, help: string, value: () => number) => registry.add('counter', name, help, value);
  gauge('etcd_mvcc_db_total_size_in_bytes', 'Total size of the underlying database physically allocated in bytes.', () => member.sizeBytes());
  gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Total size of the underlying database logically in use in bytes.', () => member.sizeBytes());
  gauge('etcd_server_quota_backend_bytes', 'The quota of the database in bytes; 0: none.', () => member.quotaBytes);
  gauge('etcd_debugging_mvcc_keys_total', 'Total number of keys.', () => member.machine.mvcc.index.size);
  gauge('etcd_debugging_mvcc_watcher_total', 'Total number of watchers.', () => member.machine.hub.watcherCount);
  gauge('etcd_debugging_mvcc_current_revision', 'The current revision of store.', () => member.machine.revision);
  gauge('etcd_debugging_mvcc_compact_revision', 'The revision of the last compaction in store.', () => member.machine.mvcc.compactRevision);
  const total = (kind: keyof StateMachine['counts']) => () => member.machine.counts[kind];
  // etcd's older dashboards ask for the second name.
  for (const prefix of ['etcd_mvcc', 'etcd_debugging_mvcc']) {
    counter(`${prefix}_put_total`, 'Total number of puts seen by this member.', total('put'));
    counter(`${prefix}_delete_total`, 'Total number of deletes seen by this member.', total('delete'));
    counter(`${prefix}_txn_total`, 'Total number of txns seen by this member.', total('txn'));
    counter(`${prefix}_range_total`, 'Total number of ranges seen by this member.', total('range'));
  }
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name)).then(({ size }) => size, ifRemoved)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A segment may be renamed or removed while it is looked at. */
function ifRemoved(error: unknown): number {
  if (systemErrorCode(error) === 'ENOENT') return 0;
  throw error;
}
