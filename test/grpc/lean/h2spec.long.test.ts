/**
 * h2spec, all of it, against the lean server: RFC 9113's rules (as RFC 7540 had them) and HPACK's, broken one by one. The
 * server has no services; what h2spec asks for, GET / with some bytes for an answer, is what a refusal looks like.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import { requireTool } from '../../processes.ts';
import { authority } from '../authority.ts';

/** Those of v2.2.1, with its strict ones. */
const CASES = 146;
/** "section: case" to the reason why it is not run. None. */
const SKIPPED: Readonly<Record<string, string>> = {};

interface Outcome {
  readonly name: string;
  readonly result: 'passed' | 'skipped' | 'failed';
}

/** What is in a report of JUnit's kind: a case without children has passed. */
function outcomesOf(report: string): Outcome[] {
  return [...report.matchAll(/<testcase ([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)].map(([, attributes = '', body = '']) => {
    const attribute = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1] ?? '';
    const result = /<(?:failure|error)\b/.test(body) ? 'failed' : /<skipped\b/.test(body) ? 'skipped' : 'passed';
    return { name: `${attribute('package')}: ${attribute('classname')}`, result };
  });
}

test.for(['plain text', 'TLS'])('every case passes, over %s', async (kind, context) => {
  const h2spec = requireTool('h2spec', context.skip);
  const isSecure = kind === 'TLS';
  const { ca, issue } = await authority();
  const tls = isSecure ? { ca, ...(await issue('server')), requireClientCertificate: false } : undefined;
  const server = new LeanServer({ log: silentLog, services: [], tls });
  onTestFinished(() => server.stop(0));
  const [port] = await server.listen(['127.0.0.1:0']);
  const dir = mkdtempSync(join(tmpdir(), 'h2spec-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const report = join(dir, 'report.xml');
  const args = ['--strict', '--host', '127.0.0.1', '--port', String(port), '--junit-report', report];
  const output = await new Promise<string>((resolve) => {
    const all = [...args, ...(isSecure ? ['--tls', '--insecure'] : [])];
    execFile(h2spec, all, { timeout: 120_000, maxBuffer: 2 ** 24 }, (_, stdout, stderr) => resolve(stdout + stderr));
  });
  const outcomes = outcomesOf(readFileSync(report, 'utf8'));
  expect(outcomes.filter(({ result }) => result === 'failed'), output).toEqual([]);
  expect(outcomes.filter(({ result }) => result === 'skipped').map(({ name }) => name)).toEqual(Object.keys(SKIPPED));
  expect(outcomes.length).toBe(CASES);
});
