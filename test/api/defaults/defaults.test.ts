/**
 * Defaults and immutable fields against a real API server: what it made of an object of each kind, and what it said of each
 * change (objects.ts, recorded by record.ts). What Kubernetes has learnt since the schemas' version is named here.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { fromUtf8 } from '../../../src/base/bytes.ts';
import { keyOf } from '../../../src/api/storage.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { equalJson } from '../../../src/kube/types.ts';
import { startServer, type Fixture } from '../fixture.ts';
import { KINDS, kindOf, masked, namespaceOf, refusalOf, type Answer, type Refusal } from './answer.ts';
import type { Subject } from './objects.ts';

interface Kept {
  readonly subject: Subject;
  readonly answer: Answer;
}

const kept = readFileSync('test/golden/defaults/objects.jsonl', 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Kept); // written by record.ts

let fixture: Fixture;
beforeAll(async () => void (fixture = await startServer()));

function refusal(error: unknown): Refusal {
  if (!(error instanceof ApiError)) throw error;
  return refusalOf(error.code, error.details?.causes);
}

async function ask({ object, changes }: Subject): Promise<Answer> {
  const { api, store } = fixture;
  const { info } = kindOf(object);
  const namespace = info.namespaced ? namespaceOf(object) : '';
  const ref = { group: info.group, version: info.version, resource: info.resource, namespace, name: '', subresource: '' };
  try {
    const made = await api.create(ref, object, { fieldValidation: 'Warn', user: { name: 'admin', uid: '1', groups: ['system:masters', 'system:authenticated'], extra: {} } });
    const answers: Answer['changes'][number][] = [];
    for (const body of changes) {
      const patched = api.patch({ ...ref, name: object.metadata.name }, { type: 'merge', body }, { dryRun: true });
      answers.push(await patched.then(() => 'ok' as const, refusal));
    }
    return { stored: masked(made.object), changes: answers };
  } catch (error) {
    return { refused: refusal(error), changes: [] };
  } finally {
    const key = fromUtf8(keyOf(info, namespace, object.metadata.name));
    await store.txn({ success: [{ request: { case: 'requestDeleteRange', value: { key } } }] });
  }
}

/** What is known to differ, and why; a place that differs no more fails the last test. */
const KNOWN: ReadonlyArray<{ readonly kind: string; readonly why: string; readonly stored?: string; readonly changes?: readonly object[] }> = [
  { kind: 'Pod', why: 'Go cannot tell an empty value from none', stored: 'spec.containers.0.env.2.value' },
  { kind: 'StatefulSet', why: 'newer than the schemas', stored: 'spec.updateStrategy.rollingUpdate.maxUnavailable' },
  { kind: 'StatefulSet', why: 'newer than the schemas', stored: 'spec.serviceName' },
  {
    kind: 'StatefulSet',
    why: 'until lately all of these were one cause, spec',
    changes: [{ spec: { selector: { matchLabels: { app: 'other' } } } }, { spec: { serviceName: 'x' } }, { spec: { podManagementPolicy: 'Parallel' } }, { spec: { volumeClaimTemplates: [{ metadata: { name: 'x' } }] } }],
  },
  { kind: 'Job', why: 'names one cause of two', changes: [{ spec: { selector: { matchLabels: { a: 'b' } } } }, { spec: { podFailurePolicy: { rules: [] } } }] },
  { kind: 'CSIDriver', why: 'newer than the schemas', stored: 'spec.preventPodSchedulingIfMissing' },
  { kind: 'Node', why: 'Go writes structs that hold nothing', stored: 'status' },
  { kind: 'HorizontalPodAutoscaler', why: 'counted since lately', stored: 'metadata.generation' },
];

function without(value: unknown, path: readonly string[]): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown, index) => (String(index) === first ? without(item, rest) : item));
  const entries = Object.entries(value).filter(([name]) => name !== first || rest.length > 0);
  return Object.fromEntries(entries.map(([name, below]) => [name, name === first ? without(below, rest) : below]));
}

/** Of what is known to differ only this much is compared: that it was refused. */
function comparable({ object, changes }: Subject, answer: Answer): Answer {
  const known = KNOWN.filter(({ kind }) => kind === object.kind);
  const stored = known.reduce((value, { stored: path }) => (path === undefined ? value : without(value, path.split('.'))), answer.stored);
  const loose = new Set(known.flatMap((one) => one.changes ?? []).map((change) => JSON.stringify(change)));
  const said = answer.changes.map((change, index) => (loose.has(JSON.stringify(changes[index])) && change !== 'ok' ? { code: change.code, causes: [] } : change));
  return { ...answer, ...(stored === undefined ? {} : { stored }), changes: said };
}

test.each(kept.map(({ subject, answer }, index) => ({ title: `${index}: ${subject.object.kind}`, subject, answer })))('$title is stored and changed as in Kubernetes', async ({ subject, answer }) => {
  expect(comparable(subject, await ask(subject))).toEqual(comparable(subject, answer));
});

test('what is known to differ still does', async () => {
  const idle = new Set(KNOWN);
  for (const { subject, answer } of kept) {
    const ours = await ask(subject);
    for (const known of idle) {
      if (known.kind !== subject.object.kind) continue;
      const path = known.stored?.split('.');
      const differs =
        path === undefined
          ? subject.changes.some((change, index) => known.changes?.some((one) => equalJson(one, change)) === true && !equalJson(ours.changes[index], answer.changes[index]))
          : !equalJson(without(ours.stored, path), ours.stored) || !equalJson(without(answer.stored, path), answer.stored);
      if (differs) idle.delete(known);
    }
  }
  expect([...idle]).toEqual([]);
});

test('every kind has a subject', () => {
  const seen = new Set(kept.map(({ subject }) => kindOf(subject.object)?.info.kind));
  expect(KINDS.map(({ info }) => info.kind).filter((kind) => !seen.has(kind))).toEqual([]);
});
