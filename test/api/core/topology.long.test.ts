/**
 * The table of list and map types against Kubernetes' own: the schema that client-go carries for server-side apply, and
 * the struct tags of k8s.io/api for strategic merge. Both lie in Go's module cache where the test clients were built.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { parse } from 'yaml';
import { isRecord } from '../../../src/kube/types.ts';
import { modelFields } from '../../../src/api/core/schema.ts';
import { ATOMIC, LISTS } from '../../../src/api/core/topology.ts';

const CLIENTS = 'test/clients/kubectl';

/** Where Go keeps a module's source; undefined where it is not. */
function moduleFolder(context: TestContext, module: string): string {
  try {
    return execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', module], { cwd: CLIENTS, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error;
    return context.skip(`Go's module ${module} is not at hand: run .ci/install-test-clients`);
  }
}

interface Relation {
  readonly elementRelationship?: string;
  readonly keys?: readonly string[];
}
interface SchemaType {
  readonly name: string;
  readonly map?: Relation & { readonly fields?: readonly { readonly name: string; readonly type: { readonly list?: Relation; readonly map?: Relation } }[] };
}

const title = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** `io.k8s.api.core.v1.EndpointPort` → CoreV1EndpointPort, or V1EndpointPort where that is a model. */
function modelOf(name: string): string | undefined {
  const [, group = '', version = '', type = ''] = /(?:api|apis)\.(\w+)\.(v1|v2)\.(\w+)$/.exec(name) ?? [];
  return [`${title(group)}${title(version)}${type}`, `${title(version)}${type}`].find((model) => modelFields(model) !== undefined);
}

test('lists, sets and atomic values are what server-side apply takes them for', (context) => {
  const text = readFileSync(join(moduleFolder(context, 'k8s.io/client-go'), 'applyconfigurations/internal/internal.go'), 'utf8');
  const { types } = parse(text.split('`')[1]!) as { types: SchemaType[] }; // the file's one raw string
  let seen = 0;
  for (const { name, map } of types) {
    const model = modelOf(name);
    if (model === undefined || map === undefined) continue;
    seen++;
    expect({ model, isAtomic: ATOMIC.has(model) }).toEqual({ model, isAtomic: map.elementRelationship === 'atomic' });
    for (const { name: field, type } of map.fields ?? []) {
      const place = `${model}.${field}`;
      if (type.map !== undefined) expect({ place, isAtomic: ATOMIC.has(place) }).toEqual({ place, isAtomic: type.map.elementRelationship === 'atomic' });
      if (type.list === undefined) continue;
      const { keys, isSet } = LISTS[model]?.[field] ?? {};
      const isAssociative = type.list.elementRelationship === 'associative';
      expect({ place, keys: keys === undefined ? undefined : [...keys].sort() }).toEqual({ place, keys: isAssociative && type.list.keys !== undefined ? [...type.list.keys].sort() : undefined });
      expect({ place, isSet: isSet ?? false }).toEqual({ place, isSet: isAssociative && type.list.keys === undefined });
    }
  }
  expect(seen).toBeGreaterThan(150);
});

test('merge keys of strategic merge patches are those of the struct tags', (context) => {
  const folder = moduleFolder(context, 'k8s.io/api');
  let seen = 0;
  for (const [group, version] of [['core', 'v1'], ['apps', 'v1'], ['batch', 'v1'], ['autoscaling', 'v2'], ['policy', 'v1'], ['networking', 'v1'], ['storage', 'v1'], ['discovery', 'v1']] as const) {
    const text = readFileSync(join(folder, group, version, 'types.go'), 'utf8');
    let model: string | undefined;
    for (const line of text.split('\n')) {
      const type = /^type (\w+) struct/.exec(line)?.[1];
      if (type !== undefined) model = modelOf(`io.k8s.api.${group}.${version}.${type}`);
      const [, strategy = '', key] = /patchStrategy:"([^"]+)"(?: patchMergeKey:"(\w+)")?/.exec(line) ?? [];
      const field = /json:"(\w+)/.exec(line)?.[1];
      if (model === undefined || field === undefined || strategy === '' || line.trimStart().startsWith('//')) continue;
      seen++;
      const { merge, retainKeys, replace } = LISTS[model]?.[field] ?? {};
      expect({ place: `${model}.${field}`, merge, retainKeys: retainKeys ?? false, replace: replace ?? false }).toEqual({
        place: `${model}.${field}`,
        merge: strategy.includes('merge') ? (key ?? true) : undefined,
        retainKeys: strategy.includes('retainKeys'),
        replace: strategy === 'replace',
      });
    }
  }
  expect(seen).toBeGreaterThan(25);
});

test('what the table names is there', () => {
  const isKnown = (place: string) => {
    const [model = '', field] = place.split('.');
    return field === undefined ? modelFields(model) !== undefined : isRecord(modelFields(model)) || modelFields(model)?.has(field) === true;
  };
  const places = [...ATOMIC, ...Object.entries(LISTS).flatMap(([model, fields]) => Object.keys(fields).map((field) => `${model}.${field}`))];
  // Kinds that are not served yet have no models; once a model is there, its fields must be.
  const misspelt = places.filter((place) => modelFields(place.split('.')[0]!) !== undefined && !isKnown(place));
  expect(misspelt).toEqual([]);
});
