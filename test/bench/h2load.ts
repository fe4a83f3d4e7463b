/**
 * One gRPC call with one body, sent over and over by h2load: it costs a tenth of what a client in JavaScript does, so
 * that on few cores the server is what is measured.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../processes.ts';
import { median } from './report.ts';

export interface H2Load {
  readonly addresses: readonly string[];
  readonly path: string;
  readonly message: Uint8Array;
  /** Over all addresses. */
  readonly requests: number;
  /** Streams that are open at a time, over all addresses. */
  readonly outstanding: number;
  /** Over all addresses; each of them gets at least one. */
  readonly connections: number;
}

export interface H2LoadResult {
  readonly perSecond: number;
  readonly requests: number;
  /** Bytes of answers: a call that fails answers in its trailers and has none. */
  readonly answerBytes: number;
  /** Of a single request, in milliseconds; where one was outstanding. */
  readonly medianMs: number | undefined;
}

/** One h2load a member, all at once; rejects if a request was not answered with HTTP 200. */
export async function h2load({ addresses, path, message, requests, outstanding, connections }: H2Load): Promise<H2LoadResult> {
  const dir = mkdtempSync(join(tmpdir(), 'h2load-'));
  try {
    const body = join(dir, 'body');
    const log = outstanding === 1 ? join(dir, 'log') : undefined;
    writeFileSync(body, framed(message));
    const shares = split(requests, addresses.length);
    const streams = split(outstanding, addresses.length);
    const clients = Math.max(1, Math.floor(connections / addresses.length));
    const parts = await Promise.all(
      addresses.map((address, at) => run(`http://${address}${path}`, body, { requests: shares[at]!, streams: streams[at]!, clients, log })),
    );
    const seconds = Math.max(...parts.map((part) => part.seconds));
    return {
      perSecond: requests / seconds,
      requests,
      answerBytes: parts.reduce((sum, part) => sum + part.answerBytes, 0),
      medianMs: log === undefined ? undefined : medianOf(readFileSync(log, 'latin1')),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Share {
  readonly requests: number;
  readonly streams: number;
  readonly clients: number;
  /** Where it writes down every request. */
  readonly log: string | undefined;
}

async function run(url: string, body: string, { requests, streams, clients, log }: Share) {
  const { stdout } = await promisify(execFile)(findTool('h2load') ?? 'h2load', [
    ...['-n', String(requests), '-c', String(clients), '-m', String(Math.ceil(streams / clients)), '-t', '1'],
    ...['-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers', ...(log === undefined ? [] : [`--log-file=${log}`]), url],
  ]);
  const [, succeeded] = /, (\d+) succeeded/.exec(stdout) ?? [];
  if (Number(succeeded) !== requests) throw new Error(`not every request was answered:\n${stdout}`);
  const [, data] = /headers \(space savings [\d.]+%\), [\d.]+[KMG]?B \((\d+)\) data/.exec(stdout) ?? [];
  const [, amount, unit] = /finished in ([\d.]+)(us|ms|s)\b/.exec(stdout) ?? [];
  if (data === undefined || amount === undefined) throw new Error(`not what h2load prints:\n${stdout}`);
  const seconds = Number(amount) / (unit === 'us' ? 1e6 : unit === 'ms' ? 1e3 : 1);
  return { seconds, answerBytes: Number(data) };
}

/** Of a line a request: when it began, its status, and the microseconds until its answer. */
function medianOf(log: string): number {
  const times = log.trimEnd().split('\n').map((line) => Number(line.split('\t')[2]) / 1000);
  if (times.some((ms) => !(ms >= 0))) throw new Error(`not what h2load writes down:\n${log.slice(0, 500)}`);
  return median(times);
}

/** A gRPC frame: not compressed, length, message. */
function framed(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function split(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, at) => Math.floor((total + at) / parts)).filter((part) => part > 0);
}
