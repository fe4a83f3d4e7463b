/** Cases in which Podium does not do what the kept answer says, each with what was found and what was wanted. */
import { applyConfig, trackUpdate, type Writer } from '../../../../src/api/core/managed-fields.ts';
import { strategicPatch } from '../../../../src/api/core/patch.ts';
import { PatchProblem } from '../../../../src/api/core/patch-problem.ts';
import { threeWayPatch } from '../../../../src/api/core/strategic-diff.ts';
import { canonicalQuantity, parseQuantity, storedQuantity, toMilli, toUnits } from '../../../../src/kube/quantity.ts';
import { parseLabelSelector } from '../../../../src/kube/label-parser.ts';
import { formatLabelQuery, matchesLabels, parseFieldSelector } from '../../../../src/kube/selector.ts';
import { ApiError } from '../../../../src/kube/errors.ts';
import { cloneJson, equalJson, type KubeObject, type ManagedFieldsEntry } from '../../../../src/kube/types.ts';
import { LABELS, type ApplyCase, type ApplyStep, type MergeCase, type PatchCase } from './corpus.ts';
import { apiVersionOf, type RandomKind } from './random-object.ts';

export interface Kept<C, A> {
  readonly case: C;
  readonly answer: A;
}

interface Outcome {
  readonly found: unknown;
  readonly wanted: unknown;
  readonly at?: string;
}

function differing<C, A>(cases: readonly Kept<C, A>[], outcomes: (one: C, answer: A) => readonly Outcome[]): string[] {
  return cases.flatMap(({ case: one, answer }, index) => {
    const wrong = outcomes(one, answer).find(({ found, wanted }) => !equalJson(found, wanted));
    if (wrong === undefined) return [];
    return [`${index}: ${JSON.stringify(one)}\n  ${wrong.at ?? ''}\n  found  ${JSON.stringify(wrong.found)}\n  wanted ${JSON.stringify(wrong.wanted)}`];
  });
}

interface PatchAnswer {
  readonly result?: unknown;
  readonly error?: string;
}

export function patchDifferences(cases: readonly Kept<PatchCase, PatchAnswer>[]): string[] {
  return differing(cases, ({ kind, object, patch }, answer) => {
    const before = cloneJson({ object, patch });
    const patched = strategicPatch(kind.model, object, patch);
    const untouched = { at: 'inputs', found: { object, patch }, wanted: before };
    // What is said of a refusal names Go's types; that it is one is the same.
    if (answer.error !== undefined) return [untouched, { at: answer.error, found: patched.ok ? patched.value : 'refused', wanted: 'refused' }];
    return [untouched, { found: patched, wanted: { ok: true, value: answer.result } }];
  });
}

interface MergeAnswer extends PatchAnswer {
  readonly patch?: unknown;
}

export function mergeDifferences(cases: readonly Kept<MergeCase, MergeAnswer>[]): string[] {
  return differing(cases, ({ kind: { model }, original, modified, current }, answer) => {
    let patch: Record<string, unknown>;
    try {
      patch = threeWayPatch({ model, original, modified, current });
    } catch (error) {
      if (!(error instanceof PatchProblem)) throw error;
      return [{ at: error.message, found: 'refused', wanted: answer.patch ?? 'refused' }];
    }
    const result = strategicPatch(model, current, patch);
    return [
      { at: 'the patch', found: patch, wanted: answer.patch },
      { at: 'the object', found: result.ok ? result.value : 'refused', wanted: answer.result ?? 'refused' },
    ];
  });
}

// --- server-side apply

export interface StepAnswer {
  readonly object?: KubeObject;
  readonly error?: string;
  readonly causes?: readonly string[];
}

const writerOf = (kind: RandomKind, { manager }: ApplyStep): Writer => ({ manager, apiVersion: apiVersionOf(kind), subresource: '', now: '2026-01-01T00:00:00Z' });

function write(kind: RandomKind, live: KubeObject | undefined, step: ApplyStep): KubeObject {
  const sent = cloneJson(step.object) as unknown as KubeObject; // it has an envelope
  const writer = writerOf(kind, step);
  if (step.operation === 'Apply') {
    const { object, managedFields } = applyConfig({ model: kind.model, current: live, config: sent, force: step.force, hasStatus: true }, writer);
    return withManagers(object, managedFields);
  }
  return withManagers(sent, trackUpdate({ model: kind.model, before: live, after: sent, sent: undefined, hasStatus: true }, writer));
}

function withManagers(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): KubeObject {
  const { managedFields: _old, ...metadata } = object.metadata;
  return { ...object, metadata: managedFields === undefined ? metadata : { ...metadata, managedFields } };
}

/** Times are those of the run, and decide the order of the entries. */
function comparable(object: KubeObject): unknown {
  const entries = (object.metadata.managedFields ?? []).map(({ time: _time, ...entry }) => entry);
  const key = ({ manager, operation }: { manager: string; operation: string }) => `${manager} ${operation}`;
  entries.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { ...object, metadata: { ...object.metadata, managedFields: entries } };
}

export function applyDifferences(cases: readonly Kept<ApplyCase, readonly StepAnswer[]>[]): string[] {
  return differing(cases, ({ kind, steps }, answers) => {
    let live: KubeObject | undefined;
    return steps.map((step, index): Outcome => {
      const answer = answers[index]!;
      const at = `step ${index}: ${step.operation} by ${step.manager}`;
      try {
        live = write(kind, live, step);
        return { at, found: comparable(live), wanted: answer.object === undefined ? answer.error : comparable(answer.object) };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const causes = error.details?.causes?.map(({ message = '', field = '' }) => `${message} ${field}`).sort();
        if (answer.object !== undefined) return { at, found: error.message, wanted: comparable(answer.object) };
        return { at, found: causes, wanted: answer.causes === undefined ? undefined : [...answer.causes].sort() };
      }
    });
  });
}

// --- quantities and selectors

interface QuantityAnswer {
  readonly error?: string;
  readonly text?: string;
  readonly stored?: string;
  readonly milli: number;
  readonly units: number;
  readonly compared: number;
}

/** Go counts in 64 bits, which run over; of fractions below zero it forgets the sign. */
const INSIDE = 2n ** 50n * 1_000_000n;

export function quantityDifferences(cases: readonly Kept<string, QuantityAnswer>[]): string[] {
  let before = 0n;
  return differing(cases, (text, answer) => {
    const nano = parseQuantity(text);
    if (answer.error !== undefined) return [{ found: nano?.toString(), wanted: undefined }];
    if (nano === undefined) return [{ found: 'refused', wanted: answer.text }];
    const compared = nano < before ? -1 : nano > before ? 1 : 0;
    before = nano;
    const isInside = nano < INSIDE && nano >= 0n;
    return [
      { at: 'text', found: canonicalQuantity(text), wanted: answer.text },
      { at: 'stored', found: JSON.stringify(storedQuantity(text)), wanted: answer.stored },
      { at: 'compared', found: compared, wanted: answer.compared },
      ...(isInside ? [{ at: 'counts', found: [Number(toMilli(nano)), Number(toUnits(nano))], wanted: [answer.milli, answer.units] }] : []),
    ];
  });
}

interface SelectorAnswer {
  readonly error?: string;
  readonly text?: string;
  readonly matches?: readonly boolean[];
  readonly requirements?: ReadonlyArray<readonly [field: string, operator: string, value: string]>;
}

export function labelSelectorDifferences(cases: readonly Kept<string, SelectorAnswer>[]): string[] {
  return differing(cases, (text, answer) => {
    const parsed = parseLabelSelector(text);
    if (!parsed.ok) return [{ found: parsed.message, wanted: answer.error }];
    if (answer.error !== undefined) return [{ found: parsed.value, wanted: answer.error }];
    return [
      { at: 'matches', found: LABELS.map((labels) => matchesLabels(parsed.value, labels)), wanted: answer.matches },
      { at: 'text', found: formatLabelQuery(parsed.value), wanted: answer.text ?? '' },
    ];
  });
}

export function fieldSelectorDifferences(cases: readonly Kept<string, SelectorAnswer>[]): string[] {
  return differing(cases, (text, answer) => {
    const parsed = parseFieldSelector(text);
    if (!parsed.ok) return [{ found: parsed.message, wanted: answer.error }];
    const wanted = answer.requirements?.map(([field, operator, value]) => ({ field, negated: operator === '!=', value })) ?? [];
    // Of a lone `=` Go says nothing.
    const found = parsed.value.filter(({ field, value }) => field !== '' || value !== '');
    return [{ found, wanted: answer.error ?? wanted }];
  });
}
