/** The store's HTTP side, asked as curl asks, of ours and of a real etcd where one is installed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findTool, startStoreCluster, type StoreCluster, type StoreKind } from '../processes.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const key = base64('gateway/a');

for (const kind of ['podium', 'etcd'] satisfies StoreKind[]) {
  describe.skipIf(kind === 'etcd' && findTool('etcd') === undefined)(`HTTP of ${kind}`, () => {
    let cluster: StoreCluster;
    const url = (path: string) => `http://${cluster.members[0]!.clientAddress}${path}`;
    const post = async (path: string, body: unknown) => {
      const response = await fetch(url(path), { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
      return { status: response.status, json: JSON.parse(await response.text()) as unknown };
    };

    beforeAll(async () => {
      cluster = await startStoreCluster({ kind, members: 1 });
      await cluster.leader();
    });
    afterAll(() => cluster.stop());

    test('/health and /version', async () => {
      const health = await fetch(url('/health'));
      expect(health.status).toBe(200);
      expect(await health.json()).toMatchObject({ health: 'true' });
      // 3.4 has no "storage", and its versions are its own.
      const version = await (await fetch(url('/version'))).json();
      expect(version).toMatchObject({ etcdserver: expect.stringMatching(/^3\./) as string, etcdcluster: expect.stringMatching(/^3\./) as string });
      expect((await fetch(url('/nope'))).status).toBe(404);
    });

    test.skipIf(kind === 'etcd')('/livez and /readyz, and each check alone (not in 3.4)', async () => {
      const get = async (path: string) => {
        const response = await fetch(url(path));
        return `${response.status} ${await response.text()}`;
      };
      expect(await get('/livez')).toBe('200 ok\n');
      expect(await get('/readyz?verbose')).toBe('200 [+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n');
      expect(await get('/readyz/linearizable_read?verbose')).toBe('200 [+]linearizable_read ok\nok\n');
      expect(await get('/livez/nope')).toMatch(/^404/);
    });

    test('put, range, txn, both spellings of a field', async () => {
      expect(await post('/v3/kv/put', { key, value: base64('1') })).toMatchObject({ status: 200, json: { header: { revision: expect.stringMatching(/^\d+$/) as string } } });
      const range = await post('/v3/kv/range', { key, range_end: base64('gateway/b'), unknown: 1 });
      expect(range.json).toMatchObject({ kvs: [{ key, value: base64('1'), version: '1' }], count: '1' });
      expect((await post('/v3/kv/range', { key, rangeEnd: base64('gateway/b'), countOnly: true })).json).toMatchObject({ count: '1' });
      const txn = { compare: [{ target: 'VERSION', result: 'EQUAL', key, version: '1' }], success: [{ requestDeleteRange: { key } }] };
      expect((await post('/v3/kv/txn', txn)).json).toMatchObject({ succeeded: true, responses: [{ response_delete_range: { deleted: '1' } }] });
    });

    test('errors carry code, text and status', async () => {
      const empty = 'etcdserver: key is not provided';
      expect(await post('/v3/kv/range', {})).toEqual({ status: 400, json: { error: empty, message: empty, code: 3 } });
      expect(await post('/v3/lease/revoke', { ID: '12345' })).toMatchObject({ status: 404, json: { code: 5 } });
      expect(await post('/v3/kv/compaction', { revision: '9999' })).toMatchObject({ status: 400, json: { code: 11 } });
      expect(await post('/v3/kv/range', 'x')).toMatchObject({ status: 400, json: { code: 3 } });
    });

    test('a lease is granted, kept alive, and revoked', async () => {
      expect((await post('/v3/lease/grant', { TTL: '100', ID: 77 })).json).toMatchObject({ ID: '77', TTL: '100' });
      expect((await post('/v3/lease/keepalive', { ID: '77' })).json).toMatchObject({ result: { ID: '77', TTL: '100' } });
      expect((await post('/v3/lease/revoke', { ID: '77' })).status).toBe(200);
    });

    test('a watch streams a line a message until it is left', async () => {
      const left = new AbortController();
      const watched = base64('gateway/watched');
      const response = await fetch(url('/v3/watch'), { method: 'POST', body: JSON.stringify({ create_request: { key: watched } }), signal: left.signal });
      const lines: { result: { created?: boolean; events?: unknown[] } }[] = [];
      let rest = '';
      for await (const chunk of response.body!) {
        rest += Buffer.from(chunk as Uint8Array).toString();
        const parts = rest.split('\n');
        rest = parts.pop()!;
        lines.push(...parts.map((line) => JSON.parse(line) as (typeof lines)[number]));
        if (lines.length === 1) await post('/v3/kv/put', { key: watched, value: base64('x') });
        if (lines.length >= 2) break;
      }
      left.abort();
      expect(lines[0]!.result.created).toBe(true);
      expect(lines[1]!.result.events).toMatchObject([{ kv: { key: watched, value: base64('x'), version: '1' } }]);
    });

    test('/metrics has what etcd has, by name', async () => {
      const text = await (await fetch(url('/metrics'))).text();
      for (const name of [
        'etcd_server_has_leader 1', 'etcd_server_is_leader 1', 'etcd_server_leader_changes_seen_total ', 'etcd_server_proposals_committed_total ',
        'etcd_server_proposals_applied_total ', 'etcd_server_proposals_pending ', 'etcd_server_proposals_failed_total ',
        'etcd_disk_wal_fsync_duration_seconds_count ', 'etcd_disk_backend_commit_duration_seconds_bucket{le="0.001"} ',
        'etcd_mvcc_db_total_size_in_bytes ', 'etcd_mvcc_db_total_size_in_use_in_bytes ', 'etcd_cluster_version{cluster_version="3.', 'etcd_debugging_mvcc_keys_total ', 'etcd_debugging_mvcc_watcher_total ',
        'etcd_mvcc_put_total ', 'etcd_mvcc_range_total ', 'etcd_mvcc_txn_total ', 'etcd_mvcc_delete_total ',
        'grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} ',
        'etcd_server_is_learner 0', 'etcd_server_id{server_id="', 'etcd_server_quota_backend_bytes ',
        'process_resident_memory_bytes ', 'process_open_fds ',
      ]) expect(text).toContain(`\n${name}`);
      if (kind === 'podium') expect(Number(/^podium_wal_size_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
    });
  });
}
