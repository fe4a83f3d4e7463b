/** Server-side apply against Kubernetes' documented rules, and its promises as properties over random managers. */
import { fc } from '../../base/property.ts';
import { describe, expect, it } from 'vitest';
import { applyConfig, trackUpdate, type Writer } from '../../../src/api/core/managed-fields.ts';
import { formatPath, fromFieldsV1, members, type FieldSet } from '../../../src/api/core/field-set.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { KINDS, Vocabulary } from './oracle/random-object.ts';
import { cloneJson, equalJson, type KubeObject, type ManagedFieldsEntry } from '../../../src/kube/types.ts';

const MODEL = 'V1Deployment';

const writer = (manager: string, extra: Partial<Writer> = {}): Writer => ({ manager, apiVersion: 'apps/v1', subresource: '', now: '2026-01-01T00:00:00Z', ...extra });

const deployment = (spec: object, metadata: object = {}): KubeObject => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', ...metadata }, spec });

const template = (...containers: object[]) => ({ template: { spec: { containers } } });

function withFields(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): KubeObject {
  const { managedFields: _old, ...metadata } = object.metadata;
  return { ...object, metadata: managedFields === undefined ? metadata : { ...metadata, managedFields } };
}

function apply(current: KubeObject | undefined, manager: string, config: KubeObject, force = false): KubeObject {
  const { object, managedFields } = applyConfig({ model: MODEL, current, config, force, hasStatus: true }, writer(manager));
  return withFields(object, managedFields);
}

function update(before: KubeObject | undefined, manager: string, after: KubeObject, extra: Partial<Writer> = {}): KubeObject {
  const sent = after.metadata.managedFields;
  return withFields(after, trackUpdate({ model: MODEL, before, after, sent, hasStatus: true }, writer(manager, extra)));
}

/** `manager/operation` to its places, as messages name them. */
function owners({ metadata }: KubeObject): Record<string, string[]> {
  const entries = (metadata.managedFields ?? []).map((entry): [string, string[]] => [
    `${entry.manager}/${entry.operation}${entry.subresource === undefined ? '' : `/${entry.subresource}`}`,
    members(fromFieldsV1(entry.fieldsV1) as FieldSet).map(formatPath),
  ]);
  return Object.fromEntries(entries);
}

function refused(run: () => unknown): ApiError {
  try {
    run();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('applyConfig()', () => {
  it('owns what the config says, items of keyed lists one by one', () => {
    const config = deployment({ replicas: 2, selector: { matchLabels: { app: 'web' } }, ...template({ name: 'main', image: 'a', ports: [{ containerPort: 80 }] }) }, { labels: { app: 'web' } });
    expect(owners(apply(undefined, 'one', config))).toEqual({
      'one/Apply': [
        '.metadata.labels.app',
        '.spec.replicas',
        '.spec.selector',
        '.spec.template.spec.containers[name="main"]',
        '.spec.template.spec.containers[name="main"].image',
        '.spec.template.spec.containers[name="main"].name',
        '.spec.template.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"]',
        '.spec.template.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"].containerPort',
      ],
    });
  });

  it('refuses a field that another manager owns with another value, and names both', () => {
    const live = apply(undefined, 'one', deployment({ replicas: 2, paused: true }));
    const error = refused(() => apply(live, 'two', deployment({ replicas: 3 })));
    expect(error.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.replicas');
    expect(error.reason).toBe('Conflict');
    expect(error.details?.causes).toEqual([{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.replicas' }]);
    const both = refused(() => apply(update(live, 'kubectl-edit', { ...cloneJson(live), spec: { replicas: 2, paused: false } }), 'two', deployment({ replicas: 3, paused: true })));
    expect(both.message).toBe('Apply failed with 2 conflicts: conflicts with "kubectl-edit" using apps/v1:\n- .spec.paused\nconflicts with "one":\n- .spec.replicas');
  });

  it('takes the field over when forced, and shares it when the value is the same', () => {
    const live = apply(undefined, 'one', deployment({ replicas: 2 }));
    expect(owners(apply(live, 'two', deployment({ replicas: 3 }), true))).toEqual({ 'two/Apply': ['.spec.replicas'] });
    expect(owners(apply(live, 'two', deployment({ replicas: 2 })))).toEqual({ 'one/Apply': ['.spec.replicas'], 'two/Apply': ['.spec.replicas'] });
  });

  it('removes what its manager applies no more, unless somebody else owns it', () => {
    const one = apply(undefined, 'one', deployment({ replicas: 2, paused: true, ...template({ name: 'main', image: 'a' }, { name: 'side', image: 'b' }) }));
    const shared = apply(one, 'two', deployment({ paused: true }));
    const less = apply(shared, 'one', deployment({ ...template({ name: 'main', image: 'a' }) }));
    expect(less['spec']).toEqual({ paused: true, ...template({ name: 'main', image: 'a' }) });
  });

  it('takes an item of a list away without the fields that others put into it', () => {
    const one = apply(undefined, 'one', deployment({ ...template({ name: 'main', image: 'a' }, { name: 'side', image: 'b' }) }));
    const two = apply(one, 'two', deployment({ ...template({ name: 'side', workingDir: '/x' }) }));
    expect(apply(two, 'one', deployment({ ...template({ name: 'main', image: 'a' }) }))['spec']).toEqual(template({ name: 'main', image: 'a' }, { name: 'side', workingDir: '/x' }));
  });

  it('keeps items of others where they were, and its own in its own order', () => {
    const one = apply(undefined, 'one', deployment({ ...template({ name: 'a' }, { name: 'b' }, { name: 'c' }) }));
    const two = apply(one, 'two', deployment({ ...template({ name: 'c' }, { name: 'x' }, { name: 'a' }) }));
    const names = (object: KubeObject) => (object['spec'] as { template: { spec: { containers: { name: string }[] } } }).template.spec.containers.map(({ name }) => name);
    expect(names(two)).toEqual(['b', 'c', 'x', 'a']);
    // An item that is wanted at another place is passed over, so that what only the live list has comes before it.
    const other = apply(undefined, 'one', deployment({ ...template({ name: 'b' }, { name: 'a' }, { name: 'c' }) }));
    expect(names(apply(other, 'two', deployment({ ...template({ name: 'c' }, { name: 'b' }) })))).toEqual(['a', 'c', 'b']);
  });

  it('gives an object that nobody tracked to one updater of old', () => {
    const live = deployment({ replicas: 2, paused: true });
    expect(refused(() => apply(live, 'one', deployment({ replicas: 3 }))).message).toBe('Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas');
  });

  it('refuses a list that is no set, and an item without its key', () => {
    const twice = deployment({ ...template({ name: 'a' }, { name: 'a' }) });
    expect(refused(() => apply(apply(undefined, 'one', deployment({ ...template({ name: 'b' }) })), 'one', twice)).message).toMatch(/failed to create typed patch object: duplicate entries for key/);
    expect(refused(() => apply(undefined, 'one', deployment({ ...template({ image: 'a' }) }))).message).toMatch(/omits key field "name"/);
  });

  it('leaves the time alone when nothing changes hands', () => {
    const live = apply(undefined, 'one', deployment({ replicas: 2 }));
    const config = deployment({ replicas: 2 });
    const { managedFields } = applyConfig({ model: MODEL, current: live, config, force: false, hasStatus: true }, writer('one', { now: '2027-01-01T00:00:00Z' }));
    expect(managedFields).toEqual(live.metadata.managedFields);
  });
});

describe('trackUpdate()', () => {
  it('takes what it changes from everybody, and forgets what it removes', () => {
    const live = apply(undefined, 'one', deployment({ replicas: 2, paused: true }));
    const scaled = update(live, 'kubectl-scale', { ...cloneJson(live), spec: { replicas: 5 } });
    expect(owners(scaled)).toEqual({ 'kubectl-scale/Update': ['.spec.replicas'] });
  });

  it('keeps status writers apart from writers of the object', () => {
    const live = update(undefined, 'kubectl-create', deployment({ replicas: 2 }));
    const status = update(live, 'controller', { ...cloneJson(live), status: { replicas: 2 } }, { subresource: 'status' });
    expect(owners(status)).toEqual({ 'controller/Update/status': ['.status', '.status.replicas'], 'kubectl-create/Update': ['.spec.replicas'] });
  });

  it('keeps the list when a client sends none or garbles it, and empties it when told so', () => {
    const live = update(undefined, 'one', deployment({ replicas: 2 }));
    const send = (managedFields: unknown) => {
      const after = { ...cloneJson(live), metadata: { ...live.metadata, managedFields: managedFields as ManagedFieldsEntry[] } };
      return owners(update(live, 'two', after));
    };
    const kept = { 'one/Update': ['.spec.replicas'] };
    expect(send([])).toEqual(kept);
    expect(send([{ manager: 'x', operation: 'Nonsense' }])).toEqual(kept);
    expect(send([{ manager: 'x', operation: 'Update', apiVersion: 'apps/v1', fieldsType: 'FieldsV1', fieldsV1: { 'q:x': {} } }])).toEqual(kept);
    expect(send([{}])).toEqual({});
  });

  it('makes one of the oldest updaters past ten', () => {
    let live = update(undefined, 'manager-0', deployment({}, { annotations: { a0: '' } }));
    for (let n = 1; n <= 12; n++) {
      const annotations = { ...live.metadata.annotations, [`a${n}`]: '' };
      live = update(live, `manager-${n}`, { ...cloneJson(live), metadata: { ...live.metadata, annotations } }, { now: `2026-01-01T00:00:${10 + n}Z` });
    }
    const found = owners(live);
    expect(Object.keys(found)).toHaveLength(10);
    expect(found['ancient-changes/Update']).toContain('.metadata.annotations.a0');
    expect(Object.values(found).flat().filter((path) => path.startsWith('.metadata.annotations.'))).toHaveLength(13);
  });
});

// --- properties

const NAMES = ['a', 'b', 'c'];
const value = fc.constantFrom(1, 2);
const containers = fc.uniqueArray(
  fc.record({ name: fc.constantFrom(...NAMES), image: fc.constantFrom('x', 'y'), workingDir: fc.constantFrom('/1', '/2') }, { requiredKeys: ['name'] }),
  { selector: ({ name }) => name, maxLength: 3 },
);
const config = fc
  .record(
    {
      replicas: value,
      paused: fc.boolean(),
      labels: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('1', '2'), { minKeys: 1, maxKeys: 3 }),
      finalizers: fc.uniqueArray(fc.constantFrom('f/1', 'f/2'), { minLength: 1, maxLength: 2 }),
      selector: fc.record({ matchLabels: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('1', '2'), { minKeys: 1, maxKeys: 2 }) }),
      containers: containers.filter((list) => list.length > 0),
    },
    { requiredKeys: [] },
  )
  .map(({ labels, finalizers, containers: list, ...spec }) =>
    deployment({ ...spec, ...(list === undefined ? {} : template(...list)) }, { ...(labels === undefined ? {} : { labels }), ...(finalizers === undefined ? {} : { finalizers }) }),
  );
const step = fc.record({ manager: fc.constantFrom('one', 'two', 'three'), config, force: fc.boolean() });

/** The value at a member of a set of fields. */
function valueAt(object: unknown, path: readonly string[]): unknown {
  let at = object;
  for (const element of path) {
    const rest = element.slice(2);
    if (element.startsWith('f:')) at = (at as Record<string, unknown> | undefined)?.[rest];
    else if (element.startsWith('v:')) at = (at as unknown[] | undefined)?.find((item) => JSON.stringify(item) === rest);
    else {
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
      at = (at as Record<string, unknown>[] | undefined)?.find((item) => keys.every(([key, wanted]) => item[key] === wanted));
    }
  }
  return at;
}

/** Null is what is left of a record whose last field went: a place. */
const isScalar = (found: unknown) => typeof found !== 'object';

/** As a type of Go's that was read: a record that is null is an empty one. */
const decoded = (object: KubeObject): unknown => JSON.parse(JSON.stringify(object, (_, field: unknown) => field ?? {}));

function play(steps: readonly { manager: string; config: KubeObject; force: boolean }[], onStep?: (before: KubeObject | undefined, after: KubeObject, manager: string, isForced: boolean) => void): KubeObject | undefined {
  let live: KubeObject | undefined;
  for (const { manager, config: wanted, force } of steps) {
    let after: KubeObject;
    try {
      after = apply(live, manager, wanted, force);
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'Conflict') continue;
      throw error;
    }
    onStep?.(live, after, manager, force);
    live = after;
  }
  return live;
}

describe('server-side apply, over random managers', () => {
  it('never loses or changes a field of another manager unless forced', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 7 }), (steps) => {
        play(steps, (before, after, manager, isForced) => {
          if (before === undefined || isForced) return;
          for (const entry of before.metadata.managedFields ?? []) {
            if (entry.manager === manager) continue;
            for (const path of members(fromFieldsV1(entry.fieldsV1) as FieldSet)) {
              const was = valueAt(before, path);
              // An item or a struct is kept as a place; its own fields are places of their own.
              if (isScalar(was)) expect(valueAt(after, path), formatPath(path)).toEqual(was);
              else expect(valueAt(after, path), formatPath(path)).toBeDefined();
            }
          }
        });
      }),
      { numRuns: 250 },
    );
  });

  it('makes the object what the config says, and a second time changes nothing', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 5 }), step, (steps, last) => {
        const live = apply(play(steps), last.manager, last.config, true);
        const wanted = members(fromFieldsV1(live.metadata.managedFields!.find(({ manager }) => manager === last.manager)?.fieldsV1 ?? { 'f:none': {} }) as FieldSet);
        for (const path of wanted) if (isScalar(valueAt(last.config, path))) expect(valueAt(live, path), formatPath(path)).toEqual(valueAt(last.config, path));
        expect(decoded(apply(live, last.manager, last.config))).toEqual(decoded(live));
      }),
      { numRuns: 200 },
    );
  });

  it('does not depend on the order of managers whose fields are apart', () => {
    fc.assert(
      fc.property(config, config, (a, b) => {
        const [own, other] = [deployment({ replicas: (a['spec'] as { replicas?: number }).replicas ?? 1, ...template(...NAMES.slice(0, 1).map((name) => ({ name }))) }, { labels: { mine: '1' } }), b];
        const rest = deployment({ paused: true, ...template({ name: 'z', image: 'x' }) }, { labels: Object.fromEntries(Object.entries(other.metadata.labels ?? {}).map(([key, text]) => [`o-${key}`, text])) });
        const sorted = (object: KubeObject) => {
          const { managedFields, ...metadata } = object.metadata;
          const list = (object['spec'] as { template: { spec: { containers: { name: string }[] } } }).template.spec.containers;
          return { ...object, metadata, managedFields, spec: { ...(object['spec'] as object), template: { spec: { containers: [...list].sort((x, y) => (x.name < y.name ? -1 : 1)) } } } };
        };
        expect(sorted(apply(apply(undefined, 'one', own), 'two', rest))).toEqual(sorted(apply(apply(undefined, 'two', rest), 'one', own)));
      }),
      { numRuns: 200 },
    );
  });

  it('every place that somebody owns is there', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const live = play(steps);
        for (const entry of live?.metadata.managedFields ?? []) {
          for (const path of members(fromFieldsV1(entry.fieldsV1) as FieldSet)) expect(valueAt(live, path), `${entry.manager} ${formatPath(path)}`).toBeDefined();
        }
      }),
      { numRuns: 200 },
    );
  });

  it('an update by one takes exactly what changed from the others', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), config, (steps, wanted) => {
        const live = play(steps);
        if (live === undefined) return;
        const after = { ...cloneJson(live), ...cloneJson(wanted), metadata: { ...live.metadata, ...wanted.metadata } };
        const updated = update(live, 'editor', after);
        for (const entry of updated.metadata.managedFields ?? []) {
          if (entry.manager === 'editor') continue;
          for (const path of members(fromFieldsV1(entry.fieldsV1) as FieldSet)) {
            const [was, is] = [valueAt(live, path), valueAt(updated, path)];
            if (isScalar(was)) expect(equalJson(was, is), formatPath(path)).toBe(true);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

// --- over random objects of real schemas

describe('server-side apply, over every shape there is', () => {
  const story = fc.nat({ max: 1_000_000 }).map((number) => {
    const random = seededRandom(number);
    const kind = random.pick(KINDS);
    const words = new Vocabulary(kind, random.fork('words'));
    return { kind, object: (label: string) => words.object(random.fork(label)) as unknown as KubeObject }; // it has an envelope
  });
  const applied = (model: string, current: KubeObject | undefined, manager: string, wanted: KubeObject, force = false) => {
    const { object, managedFields } = applyConfig({ model, current, config: wanted, force, hasStatus: true }, writer(manager));
    return withFields(object, managedFields);
  };
  /** What Go's types drop: nulls, and records and lists that hold nothing. */
  const bare = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(bare);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([name, field]): [string, unknown] => [name, bare(field)]);
    return Object.fromEntries(entries.filter(([, field]) => field !== null && !(typeof field === 'object' && Object.keys(field as object).length === 0)));
  };
  const content = (object: KubeObject) => {
    const { managedFields: _managedFields, ...metadata } = object.metadata;
    return bare({ ...object, metadata });
  };

  it('the only manager gets what he applies, whatever he applied before', () => {
    fc.assert(
      fc.property(story, ({ kind: { model }, object }) => {
        const twice = applied(model, applied(model, undefined, 'one', object('a')), 'one', object('b'));
        expect(content(twice)).toEqual(content(applied(model, undefined, 'one', object('b'))));
      }),
      { numRuns: 200 },
    );
  });

  it('the same config again changes nothing, not even who owns what', () => {
    fc.assert(
      fc.property(story, ({ kind: { model }, object }) => {
        const two = applied(model, applied(model, undefined, 'one', object('a')), 'two', object('b'), true);
        // What nobody owns anything of is taken for an updater's of old.
        if ((two.metadata.managedFields ?? []).length === 0) return;
        expect(equalJson(bare(applied(model, two, 'two', object('b'))), bare(two))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('force takes over wholly: nobody else is left with a place of another value', () => {
    fc.assert(
      fc.property(story, ({ kind: { model }, object }) => {
        const one = applied(model, undefined, 'one', object('a'));
        const two = applied(model, one, 'two', object('b'), true);
        // Else the first would be refused what he has, or the second what he took.
        expect(equalJson(content(applied(model, two, 'two', object('b'))), content(two))).toBe(true);
        const left = two.metadata.managedFields?.find(({ manager }) => manager === 'one');
        if (left === undefined) return;
        const before = new Map(members(fromFieldsV1(one.metadata.managedFields![0]!.fieldsV1) as FieldSet).map((path) => [formatPath(path), path]));
        for (const path of members(fromFieldsV1(left.fieldsV1) as FieldSet)) expect(before.has(formatPath(path)), formatPath(path)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('an updater owns what he changed, and may be applied over only by force where it differs', () => {
    fc.assert(
      fc.property(story, ({ kind: { model }, object }) => {
        const live = applied(model, undefined, 'one', object('a'));
        const sent = { ...cloneJson(object('b')), metadata: { ...object('b').metadata } };
        const updated = withFields(sent, trackUpdate({ model, before: live, after: sent, sent: undefined, hasStatus: true }, writer('editor')));
        // He may apply what he made of it himself.
        expect(content(applied(model, updated, 'editor', object('b')))).toEqual(content(updated));
        let wasRefused = false;
        try {
          applied(model, updated, 'one', object('a'));
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          wasRefused = true;
        }
        const entry = updated.metadata.managedFields?.find(({ manager }) => manager === 'editor');
        // Who is refused nothing may have had nothing taken.
        if (entry === undefined) expect(wasRefused).toBe(false);
        applied(model, updated, 'one', object('a'), true);
      }),
      { numRuns: 200 },
    );
  });

  it('who creates an object owns of it what a comparison with nothing finds', () => {
    fc.assert(
      fc.property(story, fc.boolean(), ({ kind: { model }, object }, hasStatus) => {
        const after = { ...cloneJson(object('a')), status: { phase: 'x', conditions: [{ type: 'Ready' }] } };
        const created = (sent: unknown) => trackUpdate({ model, before: undefined, after, sent, hasStatus }, writer('creator'));
        // Who sends an empty list is nobody's creator of anything, and goes the long way.
        expect(JSON.stringify(created(undefined))).toBe(JSON.stringify(created([])));
      }),
      { numRuns: 300 },
    );
  });

  it('a write to the status owns of the status alone, a write to the object nothing of it', () => {
    fc.assert(
      fc.property(story, ({ kind: { model }, object }) => {
        const live = applied(model, undefined, 'one', object('a'));
        const after = { ...cloneJson(object('b')), status: { phase: 'x' } };
        for (const subresource of ['status', '']) {
          const entries = trackUpdate({ model, before: live, after, sent: undefined, hasStatus: true }, writer('kubelet', { subresource })) ?? [];
          const own = entries.find(({ manager }) => manager === 'kubelet');
          const roots = Object.keys(own?.fieldsV1 ?? {});
          if (subresource === 'status') expect(roots.filter((root) => root !== 'f:status')).toEqual([]);
          else expect(roots).not.toContain('f:status');
        }
      }),
      { numRuns: 200 },
    );
  });
});
