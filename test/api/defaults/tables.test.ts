/** What the tables beside the generated schemas name is in the schemas: a field that is renamed does not lose its rule in silence. */
import { expect, test } from 'vitest';
import { DEFAULTS } from '../../../src/api/core/defaults.ts';
import { IMMUTABLE_FIELDS } from '../../../src/api/core/immutable.ts';
import { modelFields, modelOfField } from '../../../src/api/core/schema.ts';
import { KINDS } from './answer.ts';

test('defaults are of models that are there', () => {
  expect(Object.keys(DEFAULTS).filter((model) => modelFields(model) === undefined)).toEqual([]);
});

test('what defaults fill in are fields of their model', () => {
  for (const [model, fill] of Object.entries(DEFAULTS)) {
    const filled: Record<string, unknown> = {};
    fill(filled);
    const strange = Object.keys(filled).filter((name) => modelFields(model)!.get(name) === undefined);
    expect({ model, strange }).toEqual({ model, strange: [] });
  }
});

test('immutable fields are of kinds that are served, and there', () => {
  const models = new Set(KINDS.map(({ model }) => model));
  for (const [model, fields] of Object.entries(IMMUTABLE_FIELDS)) {
    expect(models.has(model), model).toBe(true);
    for (const { path } of fields) {
      const names = path.split('.');
      const owner = names.slice(0, -1).reduce<string | undefined>((at, name) => (at === undefined ? undefined : modelOfField(at, name)), model);
      expect(owner !== undefined && modelFields(owner)?.has(names.at(-1)!), `${model}.${path}`).toBe(true);
    }
  }
});
