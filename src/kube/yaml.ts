/**
 * YAML as Kubernetes reads it: its syntax by the library `yaml`, what it means by the rules of Kubernetes' own reader, which
 * are those of YAML 1.1 and a few of its own. `0644` is 420, `yes` and `y` are true, keys are what their values would be, and
 * a merge counts where it stands. Both ends read by it, the API server and the command line. What comes out is JSON.
 * test/golden/yaml holds what a kube-apiserver made of each case.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Alias,
  type Document,
  type Node,
  type Pair,
  type ParsedNode,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { REQUEST_BODY_BYTES_MAX } from './limits.ts';
import { setField } from './types.ts';
import { readTag, scalarOf, type Known } from './yaml-scalar.ts';

export interface YamlPlace {
  readonly line: number;
  readonly column: number;
}

export interface YamlProblem extends YamlPlace {
  readonly message: string;
}

export interface YamlDocument extends YamlPlace {
  /** Of what cannot be read; then there is no value. */
  readonly problems: readonly YamlProblem[];
  /** null: there is nothing in it. */
  readonly value: unknown;
  /** Keys that a mapping has twice, of which the last counts; as Kubernetes shows them. */
  readonly repeated: readonly (YamlPlace & { readonly key: string })[];
}

/** A text may name a part of itself many times over; what that comes to must not be larger than a request may be. */
const ALIASED_SIZE_MAX = REQUEST_BODY_BYTES_MAX;
/** Of a value, beside its text. */
const VALUE_SIZE = 16;

/** What things mean is decided here. */
const SYNTAX_ALONE = { schema: 'failsafe', resolveKnownTags: false, uniqueKeys: false, merge: false, prettyErrors: false, logLevel: 'silent' } as const;

export function readYaml(text: string): YamlDocument[] {
  const lines = new LineCounter();
  let documents: ReturnType<typeof parseAllDocuments<ParsedNode>>;
  try {
    documents = parseAllDocuments<ParsedNode>(text, { ...SYNTAX_ALONE, lineCounter: lines });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // It descends into what is within something else as deep as that goes.
    return [{ line: 1, column: 1, value: undefined, repeated: [], problems: [{ line: 1, column: 1, message: 'it is nested too deeply' }] }];
  }
  return Array.isArray(documents) ? documents.map((document) => readDocument(document, lines)) : [];
}

function readDocument(document: Document.Parsed<ParsedNode>, lines: LineCounter): YamlDocument {
  const placeOf = (offset: number): YamlPlace => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems = document.errors.map(({ pos, message }): YamlProblem => ({ ...placeOf(pos[0]), message }));
  const { yaml } = document.directives;
  if (yaml.explicit === true && yaml.version !== '1.1') problems.push({ line: 1, column: 1, message: `it is YAML ${yaml.version}, and what is read is 1.1` });
  const start = placeOf(offsetOf(document.contents));
  if (problems.length > 0) return { ...start, problems, value: undefined, repeated: [] };
  const reader = new Reader(document);
  try {
    const value = reader.read(document.contents);
    return { ...start, problems, value, repeated: reader.repeated.map(({ key, offset }) => ({ ...placeOf(offset), key })) };
  } catch (error) {
    if (!(error instanceof Unreadable) && !(error instanceof RangeError)) throw error;
    const problem = error instanceof Unreadable ? { ...placeOf(error.offset), message: error.message } : { ...start, message: 'it is nested too deeply' };
    return { ...start, problems: [problem], value: undefined, repeated: [] };
  }
}

class Unreadable extends Error {
  readonly offset: number;

  constructor(node: unknown, message: string) {
    super(message);
    this.offset = offsetOf(node);
  }
}

function offsetOf(node: unknown): number {
  return (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined) ?? 0;
}

/** From the nodes of one document to values. */
class Reader {
  readonly repeated: { readonly key: string; readonly offset: number }[] = [];
  readonly #targets: ReadonlyMap<Alias, Node>;
  /** What is being read: whoever names one of them contains himself. */
  readonly #open = new Set<Node>();
  #aliasDepth = 0;
  #aliasedSize = 0;

  constructor(document: Document) {
    this.#targets = targetsOf(document);
  }

  read(node: unknown): unknown {
    if (this.#aliasDepth > 0) this.#charge(node);
    if (isAlias(node)) return this.#follow(node, (target) => this.read(target));
    if (isMap(node)) return this.#within(node, () => this.#mapping(node));
    if (isSeq(node)) return this.#within(node, () => node.items.map((item) => this.read(item)));
    if (!isScalar(node)) return null;
    const { type, value } = this.#scalar(node);
    if (type === 'float' && !Number.isFinite(value)) throw new Unreadable(node, `${node.source} is no number of JSON`);
    return typeof value === 'bigint' ? Number(value) : value;
  }

  #charge(node: unknown): void {
    this.#aliasedSize += VALUE_SIZE + (isScalar(node) && typeof node.value === 'string' ? node.value.length : 0);
    if (this.#aliasedSize > ALIASED_SIZE_MAX) throw new Unreadable(null, 'it names parts of itself too often');
  }

  #mapping({ items }: YAMLMap): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#fill(object, new Set(), items);
    return object;
  }

  /** `keys` are told apart by their types, too: `1` and `"1"` are two, and one field of JSON. */
  #fill(object: Record<string, unknown>, keys: Set<string>, items: readonly Pair[]): void {
    for (const { key, value } of items) {
      if (isScalar(key) && isMerge(key)) {
        this.#merge(object, keys, value);
        continue;
      }
      const { name, shown } = this.#key(key);
      if (keys.has(shown)) this.repeated.push({ key: shown, offset: offsetOf(key) });
      keys.add(shown);
      setField(object, name, this.read(value));
    }
  }

  /** Of several the first counts most. What is named by an alias is one mapping, not a list of them. */
  #merge(object: Record<string, unknown>, keys: Set<string>, value: unknown): void {
    const fill = (part: unknown) => {
      if (!isMap(part)) throw new Unreadable(part, 'only mappings, or lists of them, can be merged');
      this.#within(part, () => this.#fill(object, keys, part.items));
    };
    for (const part of isSeq(value) ? value.items.toReversed() : [value]) {
      if (isAlias(part)) this.#follow(part, fill);
      else fill(part);
    }
  }

  #key(node: unknown): { readonly name: string; readonly shown: string } {
    if (isAlias(node)) return this.#follow(node, (target) => this.#key(target));
    if (node !== null && !isScalar(node)) throw new Unreadable(node, 'a key must be a scalar');
    const { type, value } = node === null ? ({ type: 'null', value: null } as const) : this.#scalar(node);
    if (type === 'null' || type === 'uint') throw new Unreadable(node, `a key must not be ${String(value)}`);
    const name = type === 'float' && !Number.isFinite(value) ? infinityName(value) : String(value);
    return { name, shown: type === 'string' ? JSON.stringify(name) : name };
  }

  #scalar(node: Scalar): Known {
    const text = typeof node.value === 'string' ? node.value : (node.source ?? '');
    const isPlain = node.type === 'PLAIN' || node.type === undefined;
    const known = node.tag === undefined ? scalarOf(text, isPlain) : readTag(node.tag, text);
    if (typeof known === 'string') throw new Unreadable(node, known);
    return known;
  }

  #follow<T>(alias: Alias, read: (target: Node) => T): T {
    const target = this.#targets.get(alias);
    if (target === undefined) throw new Unreadable(alias, `there is no anchor ${JSON.stringify(alias.source)} before it`);
    if (this.#open.has(target)) throw new Unreadable(alias, `what is anchored as ${JSON.stringify(alias.source)} contains itself`);
    this.#aliasDepth++;
    try {
      return read(target);
    } finally {
      this.#aliasDepth--;
    }
  }

  #within<T>(node: Node, read: () => T): T {
    this.#open.add(node);
    try {
      return read();
    } finally {
      this.#open.delete(node);
    }
  }
}

function isMerge({ value, type, tag }: Scalar): boolean {
  return value === '<<' && (tag === undefined ? type === 'PLAIN' : tag === 'tag:yaml.org,2002:merge');
}

function infinityName(value: number): string {
  return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
}

/** An alias is of the anchor that stands last before it. */
function targetsOf(document: Document): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}
