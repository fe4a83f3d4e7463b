/**
 * gRPC's own interop cases, by grpc-go's client of them, against both servers: what the lean one fails and grpc-js does
 * not is the lean one's mistake, what both fail is the test service's.
 *
 * Not run: cases that need accounts of a cloud (compute_engine_*, service_account_*, jwt_*, per_rpc_creds, oauth2_*,
 * google_*), ORCA's load reports, which nothing here makes, and client_compressed_* and server_compressed_*, which this
 * client does not have; gzip both ways is in test/grpc/lean/compression.test.ts, with grpc-js for the other end.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import type { RunningServer } from '../../../src/grpc/server-options.ts';
import { requireTool } from '../../processes.ts';
import { authority } from '../authority.ts';
import { SERVERS } from '../transports.ts';
import { testService } from './test-service.ts';

const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'pick_first_unary',
  'rpc_soak',
  'channel_soak',
];
const execute = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'interop-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const subjects = SERVERS.flatMap(({ name, Server }) => [
  { name, Server, isSecure: false },
  { name: `${name}, TLS`, Server, isSecure: true },
]);

describe.each(subjects)('$name', ({ Server, isSecure }) => {
  let server: RunningServer;
  let args: string[];

  beforeAll(async () => {
    const { ca, issue } = await authority();
    const tls = { ca, ...(await issue('server')), requireClientCertificate: false };
    server = new Server({ log: silentLog, services: [testService], tls: isSecure ? tls : undefined });
    const [port] = await server.listen(['127.0.0.1:0']);
    writeFileSync(join(dir, 'ca.pem'), ca);
    const secure = isSecure ? ['--use_tls', '--use_test_ca', `--ca_file=${join(dir, 'ca.pem')}`] : [];
    args = ['--server_host=127.0.0.1', `--server_port=${port}`, ...secure];
  });
  afterAll(() => server.stop(0));

  test.for(CASES)('%s', async (name, context) => {
    const client = requireTool('grpc-interop-client', context.skip);
    await execute(client, [...args, `--test_case=${name}`], { timeout: 30_000 });
  });
});
