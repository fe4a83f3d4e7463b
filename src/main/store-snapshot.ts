/** `podium store snapshot`: what is done with a file that `etcdctl snapshot save` wrote. No member needs to run. */
import { createReadStream } from 'node:fs';
import { mkdtemp, mkdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { FileDisk } from '../base/file-disk.ts';
import { parseStoreFlags } from '../store/flags.ts';
import { asMember } from '../store/join.ts';
import { levelBackends } from '../store/mvcc/level-backend.ts';
import type { SnapshotSource } from '../store/snapshot-file.ts';
import { restoreDataDir, snapshotStatus, type SnapshotStatus } from '../store/snapshot-restore.ts';

const HELP = `Check a snapshot of the store, or begin a cluster from it.

Usage: podium store snapshot status <file> [-w simple|json|table]
       podium store snapshot restore <file> [flags]

A snapshot is saved with etcdctl: etcdctl --endpoints <one member> snapshot save <file>
It is Podium's own format, not bbolt's: etcdutl does not read it, and etcd's snapshots are not read here.

restore makes a data directory that a member of a new cluster starts from. Run it once for each member, with the same
file and the same --initial-cluster; then start each with the same flags. What the old cluster did after the snapshot is
lost, and none of its members may run any more.

  --data-dir <dir>                     the directory to make (default "<name>.etcd")
  --name <name>                        this member's name in --initial-cluster (default "default")
  --initial-cluster <name=url,…>       all members (default "<name>=<initial-advertise-peer-urls>")
  --initial-cluster-token <token>      tells clusters with the same addresses apart (default "etcd-cluster")
  --initial-advertise-peer-urls <urls> what members are told (default "http://localhost:2380")

Example:
  podium store snapshot restore backup.db --name m1 --data-dir /tmp/m1
`;

export async function run([verb, ...args]: readonly string[]): Promise<number> {
  if (verb === undefined || [verb, ...args].some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  if (verb === 'status') return status(args);
  if (verb === 'restore') return restore(args);
  throw new UserError(`podium store snapshot ${verb}: there are status and restore; a snapshot is saved with etcdctl`);
}

async function status(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { 'write-out': { type: 'string', short: 'w', default: 'simple' } },
    allowPositionals: true,
  });
  const source = await fileSource(positionals, 'status');
  // As large as the snapshot: it does not fit in memory, perhaps.
  const scratch = await mkdtemp(join(tmpdir(), 'podium-snapshot-'));
  try {
    const backend = await levelBackends(scratch).open('db');
    try {
      process.stdout.write(`${format(await snapshotStatus(source, backend), values['write-out'])}\n`);
    } finally {
      await backend.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return 0;
}

/** As etcdctl prints it. */
function format({ hash, revision, totalKeys, totalSize }: SnapshotStatus, writeOut: string): string {
  if (writeOut === 'json') return JSON.stringify({ hash, revision, totalKey: totalKeys, totalSize });
  const cells = [hash.toString(16), String(revision), String(totalKeys), `${(totalSize / 1000).toFixed(0)} kB`];
  if (writeOut === 'simple') return cells.join(', ');
  if (writeOut !== 'table') throw new UserError(`--write-out ${writeOut}: use simple, json or table`);
  const head = ['HASH', 'REVISION', 'TOTAL KEYS', 'TOTAL SIZE'];
  const widths = head.map((title, at) => Math.max(title.length, cells[at]!.length));
  const line = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const row = (texts: readonly string[]) => `|${texts.map((text, at) => ` ${text.padStart(widths[at]!)} `).join('|')}|`;
  return [line, row(head), line, row(cells), line].join('\n');
}

async function restore(args: readonly string[]): Promise<number> {
  const [file, ...flags] = args;
  if (file === undefined || file.startsWith('-')) throw new UserError('podium store snapshot restore: name the file first');
  const { dataDir, clusterId, id, members } = parseStoreFlags(flags);
  const source = await fileSource([file], 'restore');
  await mkdir(dataDir, { recursive: true });
  const { revision } = await restoreDataDir(source, {
    disk: new FileDisk(dataDir),
    backends: levelBackends(dataDir),
    clusterId,
    id,
    members: members.map(asMember),
  });
  process.stdout.write(`restored revision ${revision} to ${dataDir}: start the member with the same flags\n`);
  return 0;
}

async function fileSource(files: readonly string[], verb: string): Promise<SnapshotSource> {
  const [path, ...more] = files;
  if (path === undefined || more.length > 0) throw new UserError(`podium store snapshot ${verb}: name one file`);
  try {
    const { size } = await stat(path);
    const read = (from: number, to: number) => (from >= to ? nothing() : createReadStream(path, { start: from, end: to - 1 }));
    return { name: basename(path), sizeBytes: size, read };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') throw new UserError(`${path}: there is no such file`);
    throw error;
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
