/** A disk that is really full, under one of three processes: what an operator sees of it, by etcdctl, and how it goes on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { describeError, isNoSpace } from '../../src/base/errors.ts';
import { requireTool, startStoreCluster, untilServing, type MemberProcess, type StoreCluster } from '../processes.ts';

/** Two files of a log of 16 MiB each, the reserve of 17, and some 30 for the state. */
const DISK = '80m';
/** The others' disks are large, and as quick. */
const OTHER_DISKS = '600m';
const EXTRA_KEYS = 200;
const VALUE_BYTES = 1_000_000;
/** More than the disk has. */
const PUTS_MAX = 300;
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';

const mounted: string[] = [];
let cluster: StoreCluster | undefined;

afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  for (const dir of mounted.splice(0)) {
    execFileSync('umount', [dir]);
    rmSync(dir, { recursive: true });
  }
});

/** A directory with a file system of its own, of so many bytes. */
function mountDisk(size: string, skip: (reason: string) => void): string {
  const dir = mkdtempSync(join(tmpdir(), 'podium-small-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], { encoding: 'utf8' });
  if (status === 0) {
    mounted.push(dir);
    return dir;
  }
  rmSync(dir, { recursive: true });
  const reason = `a small file system cannot be mounted, which takes root: ${stderr}`;
  if (process.env['CI'] === undefined) skip(reason);
  throw new Error(reason);
}

/** Somebody else fills the disk to its last byte. */
function fillUp(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (const bytes of [1_000_000, 4096, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(bytes, 1));
      } catch (error) {
        if (!isNoSpace(error)) throw error;
      }
    }
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Of the process that runs now. */
function sinceStart({ output }: MemberProcess): string {
  return output.slice(output.lastIndexOf(' ended: ') + 1);
}

const key = (at: number) => Buffer.from(`fill/${String(at).padStart(5, '0')}`);
const valueOf = (at: number) => Buffer.alloc(VALUE_BYTES, `${at} `);

test('fill, read, delete, compact, defragment, disarm, write, restart: nothing acknowledged is lost', async ({ skip }) => {
  const etcdctl = requireTool('etcdctl', skip);
  const small = mountDisk(DISK, skip);
  const large = mountDisk(OTHER_DISKS, skip);
  const dataDirs = [join(small, 'm1'), join(large, 'm2'), join(large, 'm3')];
  cluster = await startStoreCluster({ members: 3, dataDirs });
  const [member] = cluster.members;
  const run = (...args: string[]) => {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const { status, stdout, stderr } = spawnSync(etcdctl, ['--endpoints', member!.clientAddress, ...args], { encoding: 'utf8', env });
    return { status, text: `${stdout}${stderr}` };
  };
  const must = (...args: string[]) => {
    const { status, text } = run(...args);
    expect(status, `etcdctl ${args.join(' ')}: ${text}`).toBe(0);
    return text;
  };
  const client = cluster.clientOf(0);
  const written = new Set<number>();
  let refusal = '';
  for (let at = 0; at < PUTS_MAX && refusal === ''; at++) {
    try {
      await client.put({ key: key(at), value: valueOf(at) });
      written.add(at);
    } catch (error) {
      refusal = describeError(error);
    }
  }
  expect(refusal).toContain(NO_SPACE);
  expect(written.size).toBeGreaterThan(10);
  await expect.poll(() => must('alarm', 'list'), { timeout: 20_000 }).toMatch(/^memberID:\d+ alarm:NOSPACE/m);
  // Through every member, for the cluster is as large as its smallest disk.
  for (const at of [0, 1, 2]) await expect(cluster.clientOf(at).put({ key: key(0), value: valueOf(0) })).rejects.toThrow(NO_SPACE);
  expect(run('put', 'one', 'more')).toEqual({ status: 1, text: expect.stringContaining(NO_SPACE) as string });
  const expectWritten = async () => {
    for (const at of written) {
      const { kvs } = await client.range({ key: key(at) });
      expect(kvs.length, `key ${at}\n${member!.output}`).toBe(1);
      expect(Buffer.from(kvs[0]!.value).equals(valueOf(at)), `key ${at}`).toBe(true);
    }
  };
  await expectWritten();
  const kept = Math.floor(written.size / 4);
  must('del', key(kept).toString(), 'fill0');
  for (const at of [...written]) if (at >= kept) written.delete(at);
  const { header } = await client.range({ key: key(0) });
  must('compaction', '--physical', String(header!.revision));
  must('defrag');
  must('alarm', 'disarm');
  expect(must('put', 'one', 'more')).toContain('OK');
  await client.put({ key: key(0), value: valueOf(0) });
  await expectWritten();
  // The reserve finds its room as soon as the log has given back what was deleted; until then the alarm comes back, and an
  // operator disarms it again.
  let quietLooks = 0;
  const look = () => {
    quietLooks = must('alarm', 'list') === '' ? quietLooks + 1 : 0;
    if (quietLooks === 0) must('alarm', 'disarm');
    return quietLooks;
  };
  await expect.poll(look, { timeout: 30_000, interval: 500 }).toBeGreaterThanOrEqual(4);
  await member!.kill();
  member!.start();
  await untilServing(client, member!);
  await expectWritten();
  expect(must('get', 'one', '--print-value-only').trim()).toBe('more');
  expect(must('alarm', 'list')).toBe('');

  // Now it is others who take the room: the first time the reserve helps …
  const ballast = join(small, 'ballast');
  const extra = Array.from({ length: EXTRA_KEYS }, (_, at) => key(1_000 + at));
  await Promise.all(extra.map((one) => client.put({ key: one, value: Buffer.from('x') })));
  for (let at = 0; at < PUTS_MAX && !sinceStart(member!).includes('the reserve on the disk is given up'); at++) {
    // Again and again: LevelDB gives back what it had compacted.
    if (at % 10 === 0) fillUp(ballast);
    await client.put({ key: Buffer.from(`more/${at}`), value: Buffer.alloc(50_000, 'y') }).catch(() => undefined);
  }
  await expect.poll(() => run('alarm', 'list').text, { timeout: 20_000 }).toMatch(/alarm:NOSPACE/);
  await expectWritten();
  // … the second time there is none, and the member ends.
  fillUp(ballast);
  for (const one of extra) if (member!.isRunning) await client.deleteRange({ key: one }).catch(() => undefined);
  await expect.poll(() => member!.isRunning, { timeout: 20_000, message: member!.output }).toBe(false);
  expect(member!.output).toMatch(/used up: nothing that was acknowledged is lost\. Make room on the disk .* then start this member again/);
  rmSync(ballast);
  member!.start();
  await untilServing(client, member!);
  await expectWritten();
  must('alarm', 'disarm');
  expect(must('put', 'one', 'last')).toContain('OK');
});
