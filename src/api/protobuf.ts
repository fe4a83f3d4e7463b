/**
 * Bodies in Kubernetes' protobuf, as clients written in Go send them for built-in kinds, read into the JSON that they
 * stand for. Answers are JSON always: every such client takes it. Loaded by the first request that needs it.
 *
 *   "k8s\0", then runtime.Unknown: { 1: { 1: apiVersion, 2: kind }, 2: the object's bytes, … }
 *
 * A field that Go cannot tell from absent is written even where it is empty, so that nothing, zero and "" are left out;
 * a field that can be told from absent is kept as it is.
 */
import { toUtf8 } from '../base/bytes.ts';
import { formatMicroTime, formatTime } from '../base/clock.ts';
import { badRequest } from '../kube/errors.ts';
import { setField } from '../kube/types.ts';
import { checkDepth } from './core/json-body.ts';
import { Reader, WireError } from '../proto/wire.ts';
import { MESSAGES } from './protobuf.generated.ts';

const MAGIC = [0x6b, 0x38, 0x73, 0x00];

interface Field {
  readonly name: string;
  readonly type: string;
  readonly holds: 'one' | 'list' | 'map';
  readonly isTold: boolean;
}

type Json = Record<string, unknown>;

/** The object, with its apiVersion and kind. */
export function decodeProtobuf(bytes: Uint8Array): unknown {
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) throw badRequest('the body of the request is not Kubernetes protobuf');
  try {
    const { apiVersion, kind, raw } = decodeEnvelope(new Reader(bytes.subarray(MAGIC.length)));
    const reader = new Reader(raw);
    return { apiVersion, kind, ...decodeMessage(reader, messageOf(apiVersion, kind), reader.length) };
  } catch (error) {
    if (error instanceof WireError) throw badRequest(`the body of the request cannot be read: ${error.message}`);
    throw error;
  }
}

/** `rbac.authorization.k8s.io/v1 Role` is `rbac.v1.Role`; options are of no group, whatever they say. */
function messageOf(apiVersion: string, kind: string): string {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const name = kind === 'DeleteOptions' ? 'meta.v1.DeleteOptions' : `${group === '' ? 'core' : group.split('.', 1)[0]}.${version}.${kind}`;
  if (Object.hasOwn(MESSAGES, name)) return name;
  throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}: send it as JSON`);
}

function decodeEnvelope(reader: Reader): { readonly apiVersion: string; readonly kind: string; readonly raw: Uint8Array } {
  let [apiVersion, kind, raw] = ['', '', new Uint8Array()];
  while (reader.position < reader.length) {
    const tag = reader.tag();
    if (tag === TYPE_META) {
      const end = reader.enter();
      while (reader.position < end) {
        const inner = reader.tag();
        if (inner === 0x0a) apiVersion = reader.string();
        else if (inner === 0x12) kind = reader.string();
        else reader.skip(inner);
      }
      reader.leave(end);
    } else if (tag === RAW) raw = new Uint8Array(reader.bytes());
    else reader.skip(tag);
  }
  return { apiVersion, kind, raw };
}

/** Fields 1 and 2, both of bytes. */
const TYPE_META = 0x0a;
const RAW = 0x12;

function decodeMessage(reader: Reader, message: string, end: number): Json {
  const fields = fieldsOf(message);
  const object: Json = {};
  while (reader.position < end) {
    const tag = reader.tag();
    const field = fields.get(tag >>> 3);
    if (field === undefined) reader.skip(tag);
    else if (field.holds === 'map') decodeEntry(reader, field, object);
    else if (field.holds === 'list') decodeItems(reader, field, object, tag);
    else {
      const value = decodeValue(reader, field.type);
      if (field.name === '.') Object.assign(object, value);
      else if (value !== undefined && (field.isTold || !isNothing(value))) setField(object, field.name, value);
    }
  }
  return object;
}

function isNothing(value: unknown): boolean {
  return value === '' || value === 0 || value === false;
}

function decodeItems(reader: Reader, { name, type }: Field, object: Json, tag: number): void {
  const list = Array.isArray(object[name]) ? object[name] : [];
  setField(object, name, list);
  const isPacked = (tag & 7) === 2 && (type === 'int' || type === 'bool' || type === 'double');
  if (!isPacked) return void list.push(decodeValue(reader, type));
  const end = reader.packed();
  while (reader.position < end) list.push(decodeValue(reader, type));
  reader.endPacked(end);
}

function decodeEntry(reader: Reader, { name, type }: Field, object: Json): void {
  const map = (object[name] ?? {}) as Json; // made here, below
  setField(object, name, map);
  const end = reader.enter();
  let key = '';
  let value: unknown = EMPTY[type] ?? {};
  while (reader.position < end) {
    const tag = reader.tag();
    if (tag >>> 3 === 1) key = reader.string();
    else if (tag >>> 3 === 2) value = decodeValue(reader, type) ?? value;
    else reader.skip(tag);
  }
  reader.leave(end);
  setField(map, key, value);
}

const EMPTY: Readonly<Record<string, unknown>> = { string: '', bytes: '', int: 0, bool: false, double: 0, quantity: '0' };

function decodeValue(reader: Reader, type: string): unknown {
  switch (type) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.bool();
    case 'int':
      return reader.int64();
    case 'double':
      return reader.double();
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64');
  }
  const end = reader.enter();
  const value = type in SPECIAL ? SPECIAL[type]!(partsOf(reader, end)) : decodeMessage(reader, type, end);
  reader.leave(end);
  return isWrappedList(type) ? ((value as Json)['items'] ?? []) : value; // a record, as every message
}

/** Lists that Go gives a name travel as a message with the list in it. */
const isWrappedList = (type: string) => type.endsWith('.ExtraValue');

/** The fields of a message that JSON writes as one value, by their numbers. */
type Parts = ReadonlyMap<number, number | Uint8Array>;

const SPECIAL: Readonly<Record<string, (parts: Parts) => unknown>> = {
  time: (parts) => timeOf(parts, formatTime),
  microtime: (parts) => timeOf(parts, formatMicroTime),
  quantity: (parts) => textOf(parts.get(1)),
  intOrString: (parts) => (parts.get(1) === 1 ? textOf(parts.get(3)) : Number(parts.get(2) ?? 0)),
  json: (parts) => jsonOf(textOf(parts.get(1))),
};

function partsOf(reader: Reader, end: number): Parts {
  const parts = new Map<number, number | Uint8Array>();
  while (reader.position < end) {
    const tag = reader.tag();
    if ((tag & 7) === 0) parts.set(tag >>> 3, reader.int64());
    else if ((tag & 7) === 2) parts.set(tag >>> 3, reader.bytes());
    else reader.skip(tag);
  }
  return parts;
}

/** Undefined: the zero time, which JSON does not write. */
function timeOf(parts: Parts, format: (wallMs: number) => string): string | undefined {
  const [seconds = 0, nanos = 0] = [parts.get(1), parts.get(2)].map((part) => (typeof part === 'number' ? part : 0));
  if (seconds === 0 && nanos === 0) return undefined;
  if (Math.abs(seconds) > SECONDS_MAX) throw new WireError('a time out of range');
  if (format === formatTime) return formatTime(seconds * 1000);
  const text = format(seconds * 1000 + Math.floor(nanos / 1e6));
  return text.replace(/000Z$/, `${String(Math.floor(nanos / 1e3) % 1000).padStart(3, '0')}Z`);
}

/** The year 9999. */
const SECONDS_MAX = 253_402_300_799;

function textOf(part: number | Uint8Array | undefined): string {
  return part instanceof Uint8Array ? toUtf8(part) : '';
}

function jsonOf(text: string): unknown {
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('an embedded object that is not JSON', { cause });
  }
  return checkDepth(value);
}

const tables = new Map<string, ReadonlyMap<number, Field>>();

function fieldsOf(message: string): ReadonlyMap<number, Field> {
  const known = tables.get(message);
  if (known !== undefined) return known;
  const rows = (MESSAGES[message] ?? '').split(', ').filter((row) => row !== '');
  const made = new Map(
    rows.map((row) => {
      const [number = '', name = '', type = ''] = row.split(' ');
      const holds = type.startsWith('[]') ? 'list' : type.startsWith('{}') ? 'map' : 'one';
      const bare = type.replace(/^(\[\]|\{\})/, '').replace(/\?$/, '');
      return [Number(number), { name, type: bare, holds, isTold: type.endsWith('?') } satisfies Field];
    }),
  );
  tables.set(message, made);
  return made;
}
