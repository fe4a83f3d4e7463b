/**
 * Merges, applies, quantities and selectors as Kubernetes' own libraries do them: random cases with the answers of
 * apimachinery and structured-merge-diff (test/clients/semantics), kept in test/golden/semantics.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as differences from './differences.ts';

const SUBJECTS = [
  ['strategic merge patches', 'patches', differences.patchDifferences],
  ['the patches and objects of client-side apply', 'merges', differences.mergeDifferences],
  ['server-side apply and updates', 'applies', differences.applyDifferences],
  ['quantities', 'quantities', differences.quantityDifferences],
  ['label selectors', 'labelSelectors', differences.labelSelectorDifferences],
  ['field selectors', 'fieldSelectors', differences.fieldSelectorDifferences],
] as const;

test.each(SUBJECTS)('%s', (_title, name, find) => {
  const lines = readFileSync(`test/golden/semantics/${name}.jsonl`, 'utf8').trimEnd().split('\n');
  const cases = lines.map((line) => JSON.parse(line) as differences.Kept<never, never>); // written by main.ts
  const found = find(cases);
  expect(found.slice(0, 3), `${found.length} of ${cases.length} differ`).toEqual([]);
  expect(cases.length).toBeGreaterThanOrEqual(100);
});
