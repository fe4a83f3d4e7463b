/**
 * Protobuf's JSON mapping, for any message of ours: JSON to the message's bytes and back, led by the descriptors that
 * reflection hands out. It works on bytes, so that it needs no second description of the types, and takes what handlers
 * have encoded before as it is. As grpc-gateway writes it for etcd: field names as in the .proto, 64-bit numbers and bytes
 * (base64) as strings, enums by name, fields that hold their default left out. In are taken camelCase, too, and numbers.
 */
import { fileDescriptors } from './descriptors.ts';
import { NESTING_MAX, Reader, WireError, Writer } from './wire.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** JSON that is not a message of the expected type. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

interface Field {
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly isRepeated: boolean;
  /** FieldDescriptorProto.Type. */
  readonly type: number;
  /** Of a message or an enum: its full name. */
  readonly typeName: string;
}

interface Message {
  readonly byName: ReadonlyMap<string, Field>;
  readonly byNumber: ReadonlyMap<number, Field>;
}

interface Enum {
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, string>;
}

const Type = { DOUBLE: 1, INT64: 3, UINT64: 4, INT32: 5, FIXED64: 6, BOOL: 8, STRING: 9, MESSAGE: 11, BYTES: 12, UINT32: 13, ENUM: 14 } as const;
const LABEL_REPEATED = 3;

class Schema {
  readonly messages = new Map<string, Message>();
  readonly enums = new Map<string, Enum>();

  constructor() {
    for (const { base64 } of fileDescriptors) {
      let scope = '';
      const reader = new Reader(Buffer.from(base64, 'base64'));
      eachField(reader, reader.length, (number, tag) => {
        if (number === 2) scope = reader.string();
        else if (number === 4) this.#readMessage(reader, scope);
        else if (number === 5) this.#readEnum(reader, scope);
        else reader.skip(tag);
      });
    }
  }

  #readMessage(reader: Reader, scope: string): void {
    let name = '';
    const fields: Field[] = [];
    inside(reader, (number, tag) => {
      if (number === 1) name = `${scope}.${reader.string()}`;
      else if (number === 2) fields.push(readField(reader));
      else if (number === 3) this.#readMessage(reader, name);
      else if (number === 4) this.#readEnum(reader, name);
      else reader.skip(tag);
    });
    const byName = new Map(fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const]));
    this.messages.set(name, { byName, byNumber: new Map(fields.map((field) => [field.number, field])) });
  }

  #readEnum(reader: Reader, scope: string): void {
    let name = '';
    const byName = new Map<string, number>();
    inside(reader, (number, tag) => {
      if (number === 1) name = `${scope}.${reader.string()}`;
      else if (number !== 2) reader.skip(tag);
      else {
        let [label, value] = ['', 0];
        inside(reader, (at, inner) => {
          if (at === 1) label = reader.string();
          else if (at === 2) value = reader.int32();
          else reader.skip(inner);
        });
        byName.set(label, value);
      }
    });
    this.enums.set(name, { byName, byNumber: new Map([...byName].map(([label, value]) => [value, label])) });
  }
}

function readField(reader: Reader): Field {
  const field = { name: '', jsonName: '', number: 0, isRepeated: false, type: 0, typeName: '' };
  inside(reader, (number, tag) => {
    if (number === 1) field.name = reader.string();
    else if (number === 3) field.number = reader.int32();
    else if (number === 4) field.isRepeated = reader.int32() === LABEL_REPEATED;
    else if (number === 5) field.type = reader.int32();
    else if (number === 6) field.typeName = reader.string().slice(1);
    else if (number === 10) field.jsonName = reader.string();
    else reader.skip(tag);
  });
  return field;
}

function eachField(reader: Reader, end: number, run: (number: number, tag: number) => void): void {
  while (reader.position < end) {
    const tag = reader.tag();
    run(tag >>> 3, tag);
  }
}

function inside(reader: Reader, run: (number: number, tag: number) => void): void {
  const end = reader.enter();
  eachField(reader, end, run);
  reader.leave(end);
}

/** Read when it is first asked for: most processes never speak JSON. */
let schema: Schema | undefined;

function messageOf(typeName: string): Message {
  schema ??= new Schema();
  // A file without a package has its names begin with the dot that stands before them.
  const message = schema.messages.get(typeName) ?? schema.messages.get(`.${typeName}`);
  if (message === undefined) throw new JsonError(`no message ${typeName}`);
  return message;
}

function enumOf(typeName: string): Enum {
  const found = schema?.enums.get(typeName);
  if (found === undefined) throw new JsonError(`no enum ${typeName}`);
  return found;
}

// ── JSON to bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

/** The message's bytes. Throws {@link JsonError}; fields that the message does not have are passed over, as etcd does. */
export function encodeJson(typeName: string, json: Json): Uint8Array {
  const writer = new Writer();
  writeMessage(writer, typeName, json, 0);
  return writer.finish();
}

function writeMessage(writer: Writer, typeName: string, json: Json, depth: number): void {
  if (depth > NESTING_MAX) throw new JsonError(`nested deeper than ${NESTING_MAX}`);
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw new JsonError(`${typeName}: not an object`);
  const { byName } = messageOf(typeName);
  for (const [name, value] of Object.entries(json)) {
    const field = byName.get(name);
    if (field === undefined || value === null) continue;
    if (!field.isRepeated) writeValue(writer, field, value as Json, depth); // an object's values, as its type says
    else if (!Array.isArray(value)) throw new JsonError(`${field.name}: not a list`);
    else for (const item of value as readonly Json[]) writeValue(writer, field, item, depth);
  }
}

/** Lists of numbers are written unpacked, which every reader takes, too. */
function writeValue(writer: Writer, field: Field, json: Json, depth: number): void {
  const tag = (wire: number) => (field.number << 3) | wire;
  switch (field.type) {
    case Type.MESSAGE: {
      const start = writer.open(tag(2));
      writeMessage(writer, field.typeName, json, depth + 1);
      return writer.close(start);
    }
    case Type.STRING:
      return writer.uint32(tag(2)).string(stringOf(field, json));
    case Type.BYTES:
      return writer.uint32(tag(2)).bytes(bytesOf(field, json));
    case Type.BOOL:
      if (typeof json !== 'boolean') throw bad(field, json, 'true or false');
      return writer.uint32(tag(0)).bool(json);
    case Type.ENUM:
      return writer.uint32(tag(0)).int32(enumNumber(field, json));
    case Type.DOUBLE:
      return writer.uint32(tag(1)).double(Number(json));
    case Type.FIXED64:
      return writer.uint32(tag(1)).fixed64(integerOf(field, json));
    case Type.INT32:
    case Type.UINT32:
    case Type.INT64:
    case Type.UINT64:
      return writer.uint32(tag(0)).bigInt64(integerOf(field, json));
    default:
      throw new JsonError(`${field.name}: type ${field.type} is not used in our files`);
  }
}

function bad(field: Field, json: Json, expected: string): JsonError {
  return new JsonError(`${field.name}: ${JSON.stringify(json)?.slice(0, 40)} is not ${expected}`);
}

function stringOf(field: Field, json: Json): string {
  if (typeof json !== 'string') throw bad(field, json, 'a string');
  return json;
}

function bytesOf(field: Field, json: Json): Uint8Array {
  const text = stringOf(field, json);
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) throw bad(field, json, 'base64');
  return Buffer.from(text, 'base64');
}

const BOUNDS: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [Type.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [Type.UINT32]: [0n, 2n ** 32n - 1n],
  [Type.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [Type.UINT64]: [0n, 2n ** 64n - 1n],
  [Type.FIXED64]: [0n, 2n ** 64n - 1n],
};

function integerOf(field: Field, json: Json): bigint {
  const text = typeof json === 'number' && Number.isInteger(json) ? BigInt(json).toString() : json;
  if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) throw bad(field, json, 'a whole number');
  const value = BigInt(text);
  const [least, most] = BOUNDS[field.type]!;
  if (value < least || value > most) throw bad(field, json, 'in range');
  return value;
}

function enumNumber(field: Field, json: Json): number {
  const number = typeof json === 'string' ? enumOf(field.typeName).byName.get(json) : json;
  if (typeof number !== 'number' || !Number.isInteger(number)) throw bad(field, json, `a ${field.typeName}`);
  return number | 0;
}

// ── Bytes to JSON ──────────────────────────────────────────────────────────────────────────────────────────────────

export function decodeJson(typeName: string, bytes: Uint8Array): Json {
  const reader = new Reader(bytes);
  return readMessage(reader, reader.length, typeName);
}

function readMessage(reader: Reader, end: number, typeName: string): Json {
  const { byNumber } = messageOf(typeName);
  const json: Record<string, Json> = {};
  eachField(reader, end, (number, tag) => {
    const field = byNumber.get(number);
    if (field === undefined) return reader.skip(tag);
    if (!field.isRepeated) {
      const value = readValue(reader, field);
      // A message that is there is told even if it is empty; so is a member of a oneof, which is one in all our files.
      if (field.type === Type.MESSAGE || !isDefault(field, value)) json[field.name] = value;
      return;
    }
    const list = (json[field.name] ??= []) as Json[]; // made here, and by nobody else
    if ((tag & 7) !== 2 || field.type === Type.MESSAGE || field.type === Type.STRING || field.type === Type.BYTES) {
      list.push(readValue(reader, field));
      return;
    }
    const packedEnd = reader.packed();
    while (reader.position < packedEnd) list.push(readValue(reader, field));
    reader.endPacked(packedEnd);
  });
  return json;
}

const DEFAULTS: ReadonlySet<Json> = new Set<Json>([false, 0, '', '0']);

function isDefault(field: Field, value: Json): boolean {
  return DEFAULTS.has(value) || (field.type === Type.ENUM && value === enumOf(field.typeName).byNumber.get(0));
}

function readValue(reader: Reader, field: Field): Json {
  switch (field.type) {
    case Type.MESSAGE: {
      const end = reader.enter();
      const message = readMessage(reader, end, field.typeName);
      reader.leave(end);
      return message;
    }
    case Type.STRING:
      return reader.string();
    case Type.BYTES:
      return Buffer.from(reader.bytes()).toString('base64');
    case Type.BOOL:
      return reader.bool();
    case Type.ENUM: {
      const number = reader.int32();
      return enumOf(field.typeName).byNumber.get(number) ?? number;
    }
    case Type.DOUBLE:
      return reader.double();
    case Type.FIXED64:
      return reader.fixed64().toString();
    case Type.INT64:
      return reader.bigInt64().toString();
    case Type.UINT64:
      return reader.bigUint64().toString();
    case Type.INT32:
      return reader.int32();
    case Type.UINT32:
      return reader.uint32();
    default:
      throw new WireError(`${field.name}: type ${field.type} is not used in our files`);
  }
}
