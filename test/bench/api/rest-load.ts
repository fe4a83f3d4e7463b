/** REST over TLS by h2load, in a process of its own: each request's time is in its log. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../../processes.ts';
import { cpuMsOf } from '../memory.ts';
import { TOKEN, type Subject } from './subjects.ts';

export interface RestLoad {
  /** Asked for by turns, by each connection. */
  readonly paths: readonly string[];
  /** Sent to the first path. */
  readonly body?: object;
  readonly status: number;
  readonly requests: number;
  readonly connections: number;
  /** On each connection. */
  readonly streams: number;
}

export interface RestResult {
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
  /** Processor time of the API server, a request. */
  readonly cpuMs: number;
}

export async function restLoad(subject: Subject, { paths, body, status, requests, connections, streams }: RestLoad): Promise<RestResult> {
  const dir = mkdtempSync(join(tmpdir(), 'h2load-'));
  const file = (name: string, content: string) => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  try {
    const urls = paths.map((path) => `https://127.0.0.1:${subject.port}${path}\n`).join('');
    const log = join(dir, 'log');
    const cpuBefore = cpuMsOf(subject.pid);
    const { stdout } = await promisify(execFile)(findTool('h2load') ?? 'h2load', [
      ...['-n', String(requests), '-c', String(connections), '-m', String(streams), '-t', '1', '--log-file', log],
      ...['-H', `authorization: Bearer ${TOKEN}`, '-H', 'accept: application/json', '-i', file('urls', urls)],
      ...(body === undefined ? [] : ['-d', file('body', JSON.stringify(body)), '-H', 'content-type: application/json']),
    ]);
    const cpuMs = (cpuMsOf(subject.pid) - cpuBefore) / requests;
    // When it was sent (μs since the epoch), the status, and how long it took (μs).
    const rows = readFileSync(log, 'latin1').trimEnd().split('\n').map((line) => line.split('\t').map(Number));
    const wrong = rows.find((row) => row[1] !== status);
    if (rows.length !== requests || wrong !== undefined) throw new Error(`${subject.name}: ${rows.length} of ${requests} requests, one with status ${wrong?.[1]}:\n${stdout}`);
    const first = rows.reduce((least, row) => Math.min(least, row[0]!), Infinity);
    const last = rows.reduce((most, row) => Math.max(most, row[0]! + row[2]!), 0);
    return { perSecond: requests / ((last - first) / 1e6), latenciesMs: rows.map((row) => row[2]! / 1000), cpuMs };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
