/** nghttp2's clients, another implementation of HTTP/2: they cut, pad, compress and hold back as grpc-go and Node.js do not. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import { requireTool } from '../../processes.ts';
import { testService } from '../interop/test-service.ts';

const execute = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'nghttp-'));
const request = join(dir, 'request');
const server = new LeanServer({ log: silentLog, services: [testService] });
let url: string;

beforeAll(async () => {
  // A SimpleRequest { response_size: 50,000 }, behind gRPC's prefix.
  writeFileSync(request, Buffer.from('0000000004' + '10d08603', 'hex'));
  const [port] = await server.listen(['127.0.0.1:0']);
  url = `http://127.0.0.1:${port}/grpc.testing.TestService/UnaryCall`;
});
afterAll(async () => {
  await server.stop(0);
  rmSync(dir, { recursive: true, force: true });
});

/** The prefix, a SimpleResponse, a Payload, 50,000 zeros; "podium". */
const ANSWER_BYTES = 5 + 4 + 4 + 50_000 + 8;
const CALL = ['-d', request, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];

describe('nghttp', () => {
  test.for<[string, string[]]>([
    ['as it is', []],
    ['padded frames', ['--padding=200']],
    ['no dynamic table, on either side', ['--header-table-size=0', '--encoder-header-table-size=0']],
    ['a window of 1 KiB', ['--window-bits=10', '--connection-window-bits=10']],
    ['a window of 16 MiB, priorities', ['--window-bits=24', '--weight=7']],
    ['twenty calls at once', ['--multiply=20']],
  ])('%s', async ([, args], context) => {
    const nghttp = requireTool('nghttp', context.skip);
    const { stdout } = await execute(nghttp, ['-nv', ...CALL, ...args, url], { timeout: 30_000, maxBuffer: 2 ** 26 });
    const calls = args.includes('--multiply=20') ? 20 : 1;
    const received = [...stdout.matchAll(/recv DATA frame <length=(\d+)/g)].reduce((sum, [, length]) => sum + Number(length), 0);
    expect(received).toBe(calls * ANSWER_BYTES);
    expect(stdout.match(/recv \(stream_id=\d+\) grpc-status: 0/g)?.length).toBe(calls);
    expect(stdout).not.toMatch(/recv (?:RST_STREAM|GOAWAY)/);
  });
});

test('nghttp: headers of more than 16 KiB, in CONTINUATION, are too many; the connection goes on', async (context) => {
  const nghttp = requireTool('nghttp', context.skip);
  const { stdout } = await execute(nghttp, ['-nv', ...CALL, '--continuation', '--multiply=2', url], { timeout: 30_000 });
  expect(stdout.match(/recv RST_STREAM frame .*\s+\(error_code=ENHANCE_YOUR_CALM\(0x0b\)\)/g)?.length).toBe(2);
  expect(stdout).not.toMatch(/recv GOAWAY/);
});

test.for<[string, string[]]>([
  ['ten connections of ten streams', ['-n2000', '-c10', '-m10']],
  ['windows of 1 KiB', ['-n200', '-c10', '-m10', '-w10', '-W10']],
])('h2load: %s', async ([, args], context) => {
  const h2load = requireTool('h2load', context.skip);
  const { stdout } = await execute(h2load, [...args, ...CALL, url], { timeout: 60_000 });
  const calls = Number(args[0]!.slice(2));
  expect(stdout).toContain(`${calls} done, ${calls} succeeded, 0 failed, 0 errored, 0 timeout`);
  expect(stdout).toContain(`status codes: ${calls} 2xx, 0 3xx, 0 4xx, 0 5xx`);
  expect(Number(/\((\d+)\) data/.exec(stdout)?.[1])).toBe(calls * ANSWER_BYTES);
});
