/**
 * Writes src/proto/ from proto/: interfaces and codecs for each message, a table for each service, and the descriptors
 * that server reflection hands out. `--check` writes nothing and fails when the files are not what would be written.
 *
 * The shape of what it writes: src/proto/wire.ts says what a codec and a method are. Fields are camelCase; a oneof is
 * one field, `{ case, value } | undefined`; 64-bit numbers are `number`, but `bigint` where they are identities (fields of
 * the type fixed64 and those that etcd names as in IDENTITIES) or nanoseconds.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';

const here = dirname(fileURLToPath(import.meta.url));
const projectDir = here.includes(`${join('dist', 'scripts')}`) ? join(here, '..', '..') : join(here, '..');
const protoDir = join(projectDir, 'proto');
const outputDir = join(projectDir, 'src', 'proto');

const IDENTITIES = new Set(['ID', 'lease', 'cluster_id', 'member_id', 'memberID', 'leader', 'targetID']);

/** Of CRI: nanoseconds since 1970 are more than a `number` holds. */
const NANOSECONDS = new Set(['created_at', 'started_at', 'finished_at', 'timestamp', 'value']);

/** Nested enums go by their own name, but for names that say too little without their message's. */
const VAGUE_ENUM_NAMES = new Set(['Type', 'Kind']);

/** So that importers need not hide the language's own `Object`. */
const OBJECT_ALIAS = `
export type ApiObject = Object;
export const ApiObject = Object;
`;

/** Which file of src/proto a .proto file goes to. */
const MODULES: ReadonlyArray<readonly [pattern: RegExp, module: string]> = [
  [/^etcd\//, 'etcd'],
  [/^google\//, 'google'],
  [/^grpc\/health/, 'health'],
  [/^grpc\/reflection_v1\.proto/, 'reflection'],
  [/^grpc\/reflection_v1alpha/, 'reflection-alpha'],
  [/^podium\/(\w+)\.proto/, '$1'],
  [/^cri\//, 'cri'],
];

/** Only called, never served: server reflection says nothing of them. */
const NOT_SERVED = /^cri\//;

interface ProtoFile {
  readonly name: string;
  readonly package: string;
  readonly imports: readonly string[];
  readonly module: string;
}

function moduleOf(name: string): string {
  for (const [pattern, module] of MODULES) {
    const match = pattern.exec(name);
    if (match !== null) return module.replace('$1', match[1] ?? '');
  }
  throw new Error(`${name}: scripts/generate.ts does not say which module it goes to`);
}

function protoNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return protoNames(path);
      return path.endsWith('.proto') ? [relative(protoDir, path)] : [];
    })
    .sort();
}

function parseAll(): { root: protobuf.Root; files: ProtoFile[] } {
  const root = new protobuf.Root();
  const files = protoNames(protoDir).map((name) => {
    Object.assign(protobuf.parse, { filename: name }); // which the typings do not know
    const parsed = protobuf.parse(readFileSync(join(protoDir, name), 'utf8'), root, { keepCase: true });
    return { name, package: parsed.package ?? '', imports: parsed.imports ?? [], module: moduleOf(name) };
  });
  root.resolveAll();
  return { root, files };
}

// --- names

/** `range_end` → `rangeEnd`, `ID` → `id`, `peerURLs` → `peerUrls`. */
function camelCase(name: string): string {
  const words = name.replace(
    /([A-Z])([A-Z]+)(?=s?$|_|[A-Z][a-z])/g,
    (_, first: string, rest: string) => first + rest.toLowerCase(),
  );
  const joined = words.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return joined[0]!.toLowerCase() + joined.slice(1);
}

/** protoc's rule for the `json_name` of a descriptor. */
function jsonName(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function lowerFirst(name: string): string {
  return name[0]!.toLowerCase() + name.slice(1);
}

function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, '');
}

/** `Outer.Inner` → `Outer_Inner`. */
function typeNameOf(object: protobuf.ReflectionObject): string {
  if (object instanceof protobuf.Enum && !VAGUE_ENUM_NAMES.has(object.name)) return object.name;
  return object.parent instanceof protobuf.Type ? `${typeNameOf(object.parent)}_${object.name}` : object.name;
}

// --- fields

type Scalar =
  | 'bool'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bigInt64'
  | 'bigUint64'
  | 'fixed64'
  | 'double'
  | 'bytes'
  | 'string';

interface ScalarShape {
  readonly type: string;
  readonly zero: string;
  readonly wireType: number;
}

const SCALARS: Readonly<Record<Scalar, ScalarShape>> = {
  bool: { type: 'boolean', zero: 'false', wireType: 0 },
  int32: { type: 'number', zero: '0', wireType: 0 },
  uint32: { type: 'number', zero: '0', wireType: 0 },
  int64: { type: 'number', zero: '0', wireType: 0 },
  uint64: { type: 'number', zero: '0', wireType: 0 },
  bigInt64: { type: 'bigint', zero: '0n', wireType: 0 },
  bigUint64: { type: 'bigint', zero: '0n', wireType: 0 },
  fixed64: { type: 'bigint', zero: '0n', wireType: 1 },
  double: { type: 'number', zero: '0', wireType: 1 },
  bytes: { type: 'Uint8Array', zero: 'EMPTY', wireType: 2 },
  string: { type: 'string', zero: "''", wireType: 2 },
};

/** What one value of a field is: a scalar (enums are int32) or a message. */
type Kind = { readonly scalar: Scalar } | { readonly message: protobuf.Type };

function kindOf(field: protobuf.Field, type: string): Kind {
  if (field.resolvedType instanceof protobuf.Type) return { message: field.resolvedType };
  if (field.resolvedType instanceof protobuf.Enum) return { scalar: 'int32' };
  return { scalar: scalarOf(field.name, type) };
}

function scalarOf(name: string, type: string): Scalar {
  const isBig = IDENTITIES.has(name) || NANOSECONDS.has(name);
  if (type === 'int64' && isBig) return 'bigInt64';
  if (type === 'uint64' && isBig) return 'bigUint64';
  if (!(type in SCALARS)) throw new Error(`${name}: scripts/generate.ts does not know ${type}`);
  return type as Scalar; // a key of SCALARS
}

const isService = (object: protobuf.ReflectionObject) => object instanceof protobuf.Service;
const isOptional = (field: protobuf.Field) => field.options?.['proto3_optional'] === true;
const isInOneof = (field: protobuf.Field) => field.partOf !== null && !isOptional(field);
const wireTypeOf = (kind: Kind) => ('message' in kind ? 2 : SCALARS[kind.scalar].wireType);

function tagOf(field: protobuf.Field, wireType: number): number {
  return ((field.id << 3) | wireType) >>> 0;
}

/** The oneofs that the author wrote, not those that stand for `optional`. */
function oneofsOf(type: protobuf.Type): protobuf.OneOf[] {
  return type.oneofsArray.filter((oneof) => oneof.fieldsArray.some(isInOneof));
}

/** Writes one module of src/proto. */
class ModuleWriter {
  readonly #module: string;
  readonly #modules: ReadonlyMap<string, string>;
  readonly #imports = new Map<string, Set<string>>();
  readonly #names = new Set<string>();

  constructor(module: string, modules: ReadonlyMap<string, string>) {
    this.#module = module;
    this.#modules = modules;
  }

  write(files: readonly ProtoFile[], root: protobuf.Root): string {
    const objects = files.flatMap((file) => {
      const namespace = root.lookup(file.package);
      if (!(namespace instanceof protobuf.Namespace)) throw new Error(`${file.name} has no package`);
      return namespace.nestedArray.filter((object) => object.filename === file.name);
    });
    // A service names codecs, which must exist by then.
    const inOrder = [...objects.filter((object) => !isService(object)), ...objects.filter(isService)];
    const body = inOrder.flatMap((object) => this.#object(object));
    const imports = [...this.#imports].map(
      ([module, names]) => `import { ${[...names].sort().join(', ')} } from './${module}.ts';`,
    );
    return [
      `// Written by scripts/generate.ts from ${files.map((file) => `proto/${file.name}`).join(', ')}. Do not edit.`,
      "import { codec, type MessageCodec } from './wire.ts';",
      ...imports.sort(),
      ...(body.some((text) => text.includes('EMPTY')) ? ['', 'const EMPTY = new Uint8Array(0);'] : []),
      ...body,
    ].join('\n');
  }

  #object(object: protobuf.ReflectionObject): string[] {
    if (object instanceof protobuf.Enum) return [this.#enum(object)];
    if (object instanceof protobuf.Service) return [this.#service(object)];
    if (object instanceof protobuf.Type)
      return [...object.nestedArray.flatMap((inner) => this.#object(inner)), this.#message(object)];
    return [];
  }

  #declare(name: string): string {
    if (this.#names.has(name)) throw new Error(`two things are called ${name} in src/proto/${this.#module}.ts`);
    this.#names.add(name);
    return name;
  }

  /** The name by which code of this module knows a message. */
  #reference(type: protobuf.Type): string {
    const module = this.#modules.get(type.filename ?? '') ?? this.#module;
    const name = typeNameOf(type);
    if (module === this.#module) return name;
    const names = this.#imports.get(module) ?? new Set<string>();
    this.#imports.set(module, names.add(name));
    return name;
  }

  #enum(object: protobuf.Enum): string {
    const name = this.#declare(typeNameOf(object));
    const values = Object.entries(object.values).map(([key, value]) => `${key}: ${value},`);
    return `\nexport const ${name} = {\n${values.join('\n')}\n} as const;\n`;
  }

  #service(service: protobuf.Service): string {
    const name = this.#declare(typeNameOf(service));
    const methods = service.methodsArray.map((method) => {
      const [request, response] = [method.resolvedRequestType, method.resolvedResponseType];
      if (request === null || response === null) throw new Error(`${method.fullName} is not resolved`);
      return `${lowerFirst(method.name)}: {
        path: '/${fullName(service)}/${method.name}',
        request: ${this.#reference(request)},
        response: ${this.#reference(response)},
        requestStream: ${method.requestStream === true},
        responseStream: ${method.responseStream === true},
      },`;
    });
    return `\nexport const ${name} = {\ntypeName: '${fullName(service)}',\nmethods: {\n${methods.join('\n')}\n},\n} as const;\n`;
  }

  #message(type: protobuf.Type): string {
    const name = this.#declare(typeNameOf(type));
    const plain = type.fieldsArray.filter((field) => !isInOneof(field));
    const oneofs = oneofsOf(type);
    const lines = {
      interface: [
        ...plain.map((field) => `${camelCase(field.name)}: ${this.#fieldType(field)};`),
        ...oneofs.map((oneof) => {
          const cases = oneof.fieldsArray.map(
            (field) => `| { case: '${camelCase(field.name)}'; value: ${this.#valueType(this.#kind(field))} }`,
          );
          return `${camelCase(oneof.name)}: ${cases.join('\n')} | undefined;`;
        }),
      ],
      write: [...plain.map((field) => this.#writeField(field)), ...oneofs.map((oneof) => this.#writeOneof(oneof))],
      defaults: [
        ...plain.map((field) => `${camelCase(field.name)}: ${this.#zero(field)},`),
        ...oneofs.map((oneof) => `${camelCase(oneof.name)}: undefined,`),
      ],
      read: type.fieldsArray.map((field) => this.#readField(field)),
      create: [...plain.map((field) => this.#createField(field)), ...oneofs.map((oneof) => this.#createOneof(oneof))],
    };
    const hasFields = type.fieldsArray.length > 0;
    return `
export interface ${name} {
${lines.interface.join('\n')}
}

export const ${name}: MessageCodec<${name}> = codec<${name}>(
  '${fullName(type)}',
  (${hasFields ? 'w, m' : ''}) => {
    ${lines.write.join('\n')}
  },
  (r, end) => {
    const m: ${name} = { ${lines.defaults.join('\n')} };
    while (r.position < end) {
      const tag = r.tag();
      ${hasFields ? `switch (tag) {\n${lines.read.join('\n')}\ndefault: r.skip(tag);\n}` : 'r.skip(tag);'}
    }
    return m;
  },
  (${hasFields ? 'm' : ''}) => ({ ${lines.create.join('\n')} }),
);
${name === 'Object' ? OBJECT_ALIAS : ''}`;
  }

  #kind(field: protobuf.Field): Kind {
    return kindOf(field, field.type);
  }

  #valueType(kind: Kind): string {
    return 'message' in kind ? this.#reference(kind.message) : SCALARS[kind.scalar].type;
  }

  #fieldType(field: protobuf.Field): string {
    const type = this.#valueType(this.#kind(field));
    if (field instanceof protobuf.MapField) return `Map<${SCALARS[scalarOf('', field.keyType)].type}, ${type}>`;
    if (field.repeated) return `${type}[]`;
    return 'message' in this.#kind(field) || isOptional(field) ? `${type} | undefined` : type;
  }

  #zero(field: protobuf.Field): string {
    const kind = this.#kind(field);
    if (field instanceof protobuf.MapField) return 'new Map()';
    if (field.repeated) return '[]';
    return 'message' in kind || isOptional(field) ? 'undefined' : SCALARS[kind.scalar].zero;
  }

  /** Statements that write tag and value, whatever the value is. */
  #writeValue(id: number, kind: Kind, value: string, label: string): string {
    const tag = ((id << 3) | wireTypeOf(kind)) >>> 0;
    if ('message' in kind) {
      return `const ${label} = w.open(${tag}); ${this.#reference(kind.message)}.write(w, ${value}); w.close(${label});`;
    }
    return `w.uint32(${tag}).${kind.scalar}(${value});`;
  }

  #writeField(field: protobuf.Field): string {
    const kind = this.#kind(field);
    const value = `m.${camelCase(field.name)}`;
    if (field instanceof protobuf.MapField) {
      const key = this.#writeValue(1, { scalar: scalarOf('', field.keyType) }, 'key', 'unused');
      return `if (${value} !== undefined) for (const [key, item] of ${value}) {
        const entry = w.open(${tagOf(field, 2)});
        ${key}
        ${this.#writeValue(2, kind, 'item', 'start')}
        w.close(entry);
      }`;
    }
    if (field.repeated) {
      if ('scalar' in kind && wireTypeOf(kind) !== 2) {
        return `if (${value} !== undefined && ${value}.length > 0) {
          const start = w.open(${tagOf(field, 2)});
          for (const item of ${value}) w.${kind.scalar}(item);
          w.close(start);
        }`;
      }
      return `if (${value} !== undefined) for (const item of ${value}) { ${this.#writeValue(field.id, kind, 'item', 'start')} }`;
    }
    return `if (${presence(field, kind, value)}) { ${this.#writeValue(field.id, kind, value, 'start')} }`;
  }

  #writeOneof(oneof: protobuf.OneOf): string {
    const cases = oneof.fieldsArray.map(
      (field) =>
        `case '${camelCase(field.name)}': { ${this.#writeValue(field.id, this.#kind(field), 'one.value', 'start')} break; }`,
    );
    return `{ const one = m.${camelCase(oneof.name)}; if (one !== undefined) switch (one.case) { ${cases.join('\n')} } }`;
  }

  #readValue(kind: Kind, assign: (value: string) => string, end = 'to'): string {
    if ('message' in kind)
      return `const ${end} = r.enter(); ${assign(`${this.#reference(kind.message)}.read(r, ${end})`)}; r.leave(${end});`;
    return `${assign(`r.${kind.scalar}()`)};`;
  }

  #readField(field: protobuf.Field): string {
    const kind = this.#kind(field);
    const target = `m.${camelCase(field.name)}`;
    const label = `case ${tagOf(field, field instanceof protobuf.MapField ? 2 : wireTypeOf(kind))}`;
    if (field instanceof protobuf.MapField) return this.#readMap(field, kind, label);
    if (field.repeated) {
      const one = `${label}: { ${this.#readValue(kind, (value) => `${target}.push(${value})`)} break; }`;
      if ('message' in kind || wireTypeOf(kind) === 2) return one;
      return `${one}
        case ${tagOf(field, 2)}: {
          const to = r.packed();
          while (r.position < to) ${target}.push(r.${kind.scalar}());
          r.endPacked(to);
          break;
        }`;
    }
    if (isInOneof(field)) {
      const union = `m.${camelCase(field.partOf!.name)}`;
      return `${label}: { ${this.#readValue(kind, (value) => `${union} = { case: '${camelCase(field.name)}', value: ${value} }`)} break; }`;
    }
    return `${label}: { ${this.#readValue(kind, (value) => `${target} = ${value}`)} break; }`;
  }

  #readMap(field: protobuf.MapField, kind: Kind, label: string): string {
    const key = scalarOf('', field.keyType);
    const zero = 'message' in kind ? `${this.#reference(kind.message)}.create()` : SCALARS[kind.scalar].zero;
    return `${label}: {
      const to = r.enter();
      let key = ${SCALARS[key].zero};
      let item = ${zero};
      while (r.position < to) {
        const inner = r.tag();
        switch (inner) {
          case ${8 | SCALARS[key].wireType}: key = r.${key}(); break;
          case ${16 | wireTypeOf(kind)}: { ${this.#readValue(kind, (value) => `item = ${value}`, 'itemEnd')} break; }
          default: r.skip(inner);
        }
      }
      m.${camelCase(field.name)}.set(key, item);
      r.leave(to);
      break;
    }`;
  }

  #createValue(kind: Kind, value: string): string {
    return 'message' in kind ? `${this.#reference(kind.message)}.create(${value})` : value;
  }

  #createField(field: protobuf.Field): string {
    const kind = this.#kind(field);
    const name = camelCase(field.name);
    if (field instanceof protobuf.MapField) {
      return `${name}: new Map([...(m.${name} ?? [])].map(([key, item]) => [key, ${this.#createValue(kind, 'item')}])),`;
    }
    if (field.repeated) {
      if ('message' in kind) return `${name}: (m.${name} ?? []).map((item) => ${this.#createValue(kind, 'item')}),`;
      return `${name}: [...(m.${name} ?? [])],`;
    }
    if ('message' in kind)
      return `${name}: m.${name} === undefined ? undefined : ${this.#createValue(kind, `m.${name}`)},`;
    return isOptional(field) ? `${name}: m.${name},` : `${name}: m.${name} ?? ${SCALARS[kind.scalar].zero},`;
  }

  #createOneof(oneof: protobuf.OneOf): string {
    const name = camelCase(oneof.name);
    const cases = oneof.fieldsArray.map((field) => {
      const value = this.#createValue(this.#kind(field), 'one.value');
      return `case '${camelCase(field.name)}': return { case: one.case, value: ${value} };`;
    });
    return `${name}: (() => { const one = m.${name}; if (one === undefined) return undefined; switch (one.case) { ${cases.join('\n')} } })(),`;
  }
}

/** The condition under which a singular field is written. */
function presence(field: protobuf.Field, kind: Kind, value: string): string {
  if ('message' in kind || isOptional(field)) return `${value} !== undefined`;
  if (kind.scalar === 'bytes') return `${value} !== undefined && ${value}.length > 0`;
  if (kind.scalar === 'double') return `${value} !== undefined && ${value} !== 0`;
  return value;
}

// --- descriptors

const DESCRIPTOR_TYPES: Readonly<Record<string, number>> = {
  double: 1,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
};

/** Written out because protobufjs's own `toDescriptor` leaves out `dependency`, without which no client resolves types. */
function fileDescriptor(file: ProtoFile, root: protobuf.Root): Uint8Array {
  const namespace = root.lookup(file.package);
  if (!(namespace instanceof protobuf.Namespace)) throw new Error(`${file.name} has no package`);
  const own = namespace.nestedArray.filter((object) => object.filename === file.name);
  const message = descriptor.FileDescriptorProto.fromObject({
    name: file.name,
    package: file.package,
    dependency: file.imports,
    messageType: own.filter((object) => object instanceof protobuf.Type).map(messageDescriptor),
    enumType: own.filter((object) => object instanceof protobuf.Enum).map(enumDescriptor),
    service: own.filter((object) => object instanceof protobuf.Service).map(serviceDescriptor),
    syntax: 'proto3',
  });
  return descriptor.FileDescriptorProto.encode(message).finish();
}

function messageDescriptor(type: protobuf.Type): object {
  const written = oneofsOf(type);
  const optional = type.fieldsArray.filter(isOptional);
  const entries = type.fieldsArray.filter((field) => field instanceof protobuf.MapField);
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => ({
      ...fieldDescriptor(field),
      // Oneofs that stand for `optional` come after the others.
      ...(isInOneof(field) ? { oneofIndex: written.indexOf(field.partOf!) } : {}),
      ...(isOptional(field) ? { oneofIndex: written.length + optional.indexOf(field), proto3Optional: true } : {}),
    })),
    nestedType: [
      ...type.nestedArray.filter((inner) => inner instanceof protobuf.Type).map(messageDescriptor),
      ...entries.map((field) => mapEntryDescriptor(field)),
    ],
    enumType: type.nestedArray.filter((inner) => inner instanceof protobuf.Enum).map(enumDescriptor),
    oneofDecl: [
      ...written.map((oneof) => ({ name: oneof.name })),
      ...optional.map((field) => ({ name: `_${field.name}` })),
    ],
  };
}

function fieldDescriptor(field: protobuf.Field): object {
  const common = {
    name: field.name,
    number: field.id,
    jsonName: jsonName(field.name),
    label: field.repeated || field.map ? 3 : 1,
  };
  if (field instanceof protobuf.MapField) {
    return { ...common, type: 11, typeName: `${field.parent!.fullName}.${entryName(field.name)}` };
  }
  return { ...common, ...typeDescriptor(field) };
}

function typeDescriptor(field: Pick<protobuf.Field, 'type' | 'resolvedType'>): object {
  if (field.resolvedType instanceof protobuf.Type) return { type: 11, typeName: field.resolvedType.fullName };
  if (field.resolvedType instanceof protobuf.Enum) return { type: 14, typeName: field.resolvedType.fullName };
  return { type: DESCRIPTOR_TYPES[field.type]! };
}

function entryName(fieldName: string): string {
  const name = jsonName(fieldName);
  return `${name[0]!.toUpperCase()}${name.slice(1)}Entry`;
}

function mapEntryDescriptor(field: protobuf.MapField): object {
  return {
    name: entryName(field.name),
    field: [
      { name: 'key', number: 1, label: 1, type: DESCRIPTOR_TYPES[field.keyType]!, jsonName: 'key' },
      { name: 'value', number: 2, label: 1, jsonName: 'value', ...typeDescriptor(field) },
    ],
    options: { mapEntry: true },
  };
}

function enumDescriptor(object: protobuf.Enum): object {
  return { name: object.name, value: Object.entries(object.values).map(([name, number]) => ({ name, number })) };
}

function serviceDescriptor(service: protobuf.Service): object {
  return {
    name: service.name,
    method: service.methodsArray.map((method) => ({
      name: method.name,
      inputType: method.resolvedRequestType!.fullName,
      outputType: method.resolvedResponseType!.fullName,
      ...(method.requestStream === true ? { clientStreaming: true } : {}),
      ...(method.responseStream === true ? { serverStreaming: true } : {}),
    })),
  };
}

/** Every symbol of a file that a reflection client may ask for. */
function symbolsOf(file: ProtoFile, root: protobuf.Root): string[] {
  const visit = (object: protobuf.ReflectionObject): string[] => {
    const inner = object instanceof protobuf.Type ? object.nestedArray.flatMap(visit) : [];
    const methods = object instanceof protobuf.Service ? object.methodsArray.map(fullName) : [];
    return [fullName(object), ...inner, ...methods];
  };
  const namespace = root.lookup(file.package) as protobuf.Namespace; // checked by fileDescriptor
  return namespace.nestedArray.filter((object) => object.filename === file.name).flatMap(visit);
}

function descriptorsModule(files: readonly ProtoFile[], root: protobuf.Root): string {
  const entries = files.filter(({ name }) => !NOT_SERVED.test(name)).map(
    (file) => `{
      name: '${file.name}',
      dependencies: ${JSON.stringify(file.imports)},
      symbols: ${JSON.stringify(symbolsOf(file, root))},
      base64: '${Buffer.from(fileDescriptor(file, root)).toString('base64')}',
    },`,
  );
  return `// Written by scripts/generate.ts from proto/. Do not edit.

/** A file as server reflection hands it out. */
export interface FileDescriptor {
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Full names of its messages, enums, services and methods. */
  readonly symbols: readonly string[];
  /** The encoded google.protobuf.FileDescriptorProto. */
  readonly base64: string;
}

export const fileDescriptors: readonly FileDescriptor[] = [
${entries.join('\n')}
];
`;
}

// --- main

function generate(): Map<string, string> {
  const { root, files } = parseAll();
  const modules = new Map(files.map((file) => [file.name, file.module]));
  const outputs = new Map<string, string>();
  for (const module of new Set(files.map((file) => file.module))) {
    const own = files.filter((file) => file.module === module);
    outputs.set(`${module}.ts`, new ModuleWriter(module, modules).write(own, root));
  }
  outputs.set('descriptors.ts', descriptorsModule(files, root));
  return outputs;
}

async function main(): Promise<void> {
  const check = process.argv.includes('--check');
  const stale: string[] = [];
  for (const [name, text] of generate()) {
    const path = join(outputDir, name);
    const options = await resolveConfig(path);
    const formatted = await format(text, { ...options, parser: 'typescript' });
    if (readIfThere(path) === formatted) continue;
    stale.push(relative(projectDir, path));
    if (!check) writeFileSync(path, formatted);
  }
  if (check && stale.length > 0) {
    console.error(`stale: ${stale.join(', ')}; run \`npm run generate\``);
    process.exitCode = 1;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

await main();
