import { createHash } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KV, Maintenance } from '../../src/proto/etcd.ts';
import { memoryBackends } from '../../src/store/mvcc/memory-backend.ts';
import { checkSnapshotFile, SNAPSHOT_BLOB_BYTES, SNAPSHOT_MAGIC, type SnapshotSource } from '../../src/store/snapshot-file.ts';
import { restoreDataDir, snapshotStatus } from '../../src/store/snapshot-restore.ts';
import { LONE_ID, loneWorld, startLoneMember } from './maintenance/lone-member.ts';
import { bytes, text } from './mvcc/requests.ts';

function sourceOf(file: Uint8Array): SnapshotSource {
  async function* read(from: number, to: number) {
    // Cut anew on the way, as files are.
    for (let at = from; at < to; at += 1000) yield file.subarray(at, Math.min(at + 1000, to));
  }
  return { name: 'file', sizeBytes: file.length, read };
}

/** Saved from a member with `keys` keys; the answers as they came. */
async function saved(keys: number) {
  const { channel, drive, member } = await startLoneMember();
  onTestFinished(() => drive(member.stop()));
  for (let i = 0; i < keys; i++) {
    await drive(channel.unary(KV.methods.put, { key: bytes(`k${i}`), value: bytes('v'.repeat(i)) }));
  }
  const collect = async () => {
    const answers = [];
    for await (const answer of channel.serverStream(Maintenance.methods.snapshot, {})) answers.push(answer);
    return answers;
  };
  const answers = await drive(collect());
  return { answers, file: Buffer.concat(answers.map(({ blob }) => blob)), member, drive };
}

describe('Maintenance.Snapshot', () => {
  test('sends blobs of 32 KiB with what remains, and at last the SHA-256 of all before', async () => {
    const { answers, file } = await saved(400);
    expect(answers.length).toBeGreaterThan(3);
    for (const { blob } of answers.slice(0, -2)) expect(blob.length).toBe(SNAPSHOT_BLOB_BYTES);
    let sent = 0;
    for (const { blob, remainingBytes, version } of answers) {
      sent += blob.length;
      expect(remainingBytes).toBe(Math.max(0, file.length - 32 - sent));
      expect(version).toBe('3.7.0');
    }
    const hash = createHash('sha256').update(file.subarray(0, -32)).digest();
    expect(Buffer.from(answers.at(-1)!.blob).equals(hash)).toBe(true);
    // By this etcdctl knows that the hash is there.
    expect(file.length % 512).toBe(32);
    expect(file.toString('latin1')).toContain(SNAPSHOT_MAGIC);
  });
});

describe('restoreDataDir()', () => {
  test('makes a directory that a new cluster starts from, with the keys, revisions and history of the old one', async () => {
    const { file, member: old, drive: driveOld } = await saved(20);
    const world = loneWorld();
    const disk = world.disk.incarnation();
    const options = { disk, backends: world.backends, clusterId: 77n, id: LONE_ID, members: [{ id: LONE_ID, name: 'anew', peerUrls: [], clientUrls: [], isLearner: false }] };
    await world.clock.drive(restoreDataDir(sourceOf(file), options), { what: 'restoring' });
    const { channel, drive, member } = await startLoneMember({ clusterId: 77n }, world);
    onTestFinished(() => drive(member.stop()));
    const hashes = [await driveOld(old.hashKv(0)), await drive(member.hashKv(0))];
    expect(hashes[1]).toEqual(hashes[0]);
    const { kvs } = await drive(channel.unary(KV.methods.range, { key: bytes('k3'), revision: 10 }));
    expect(kvs.map(({ value }) => text(value))).toEqual(['vvv']);
    await drive(channel.unary(KV.methods.put, { key: bytes('new') }));

    await expect(
      world.clock.drive(restoreDataDir(sourceOf(file), options), { what: 'restoring' }),
    ).rejects.toThrow('holds a member already');
  });
});

test('snapshotStatus() counts what is in it', async () => {
  const { file } = await saved(20);
  const status = await snapshotStatus(sourceOf(file), await memoryBackends().open('scratch'));
  expect(status).toMatchObject({ revision: 21, totalKeys: 20, totalSize: file.length });
});

describe('checkSnapshotFile() refuses', () => {
  const refusalOf = async (file: Uint8Array) => {
    try {
      await checkSnapshotFile(sourceOf(file));
      return 'taken';
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  };

  test('a file with any byte changed, cut short, or longer', async () => {
    const { file } = await saved(5);
    expect(await refusalOf(file)).toBe('taken');
    for (const at of [5, 90, 511, 512, 700, file.length - 40, file.length - 1]) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 1;
      expect(await refusalOf(damaged), `byte ${at}`).toMatch(/^UserError: file: (damaged|not a snapshot)|cut short/);
    }
    expect(await refusalOf(file.subarray(0, -1))).toContain('cut short');
    expect(await refusalOf(file.subarray(0, 100))).toContain('not a snapshot');
    expect(await refusalOf(Buffer.concat([file, Buffer.alloc(512)]))).toContain('added to');
  });

  test('a bbolt database and anything else, saying what it is', async () => {
    const bbolt = Buffer.alloc(8192);
    bbolt.writeUInt32LE(0xed0cdaed, 16);
    expect(await refusalOf(bbolt)).toMatch(/^UserError: .*bbolt database.*snapshot of etcd's/);
    expect(await refusalOf(Buffer.from('hello'))).toMatch(/^UserError: .*not a snapshot of Podium's store/);
    expect(await refusalOf(Buffer.alloc(0))).toMatch(/^UserError: .*not a snapshot/);
  });
});
