/**
 * Names that an object of a JSON text has twice. A parser keeps the last and says nothing; a server that is asked to be
 * strict tells them. It reads texts that have been parsed already, so that it need not judge them.
 */
const NAME_ESCAPES = /\\/;

interface Level {
  /** Names that were seen; undefined: a list. */
  readonly names: Set<string> | undefined;
  readonly path: string;
  /** The path of what comes next. */
  at: string;
  index: number;
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];

/**
 * Paths as in messages: `metadata.labels.a`, `spec.containers[0].name`; each once, in the order of the text. `parsed` is
 * what became of it: where that has as many fields as the text has names, there is nothing to look for.
 */
export function duplicateFields(text: string, parsed?: unknown): readonly string[] {
  if (parsed !== undefined && fieldsIn(parsed) === namesIn(text)) return [];
  const found = new Set<string>();
  const levels: Level[] = [];
  let expectsName = false;
  let position = 0;
  while (position < text.length) {
    const sign = text[position]!;
    const level = levels.at(-1);
    if (sign === '"') {
      const end = endOfString(text, position);
      if (expectsName && level?.names !== undefined) note(level, nameOf(text.slice(position, end)), found);
      expectsName = false;
      position = end;
      continue;
    }
    if (sign === '{' || sign === '[') {
      const path = level?.at ?? '';
      levels.push(sign === '{' ? { names: new Set(), path, at: path, index: 0 } : { names: undefined, path, at: `${path}[0]`, index: 0 });
      expectsName = sign === '{';
    } else if (sign === '}' || sign === ']') levels.pop();
    else if (sign === ',' && level !== undefined) {
      expectsName = level.names !== undefined;
      if (level.names === undefined) level.at = `${level.path}[${++level.index}]`;
    }
    position++;
  }
  return [...found];
}

/** Colons that are not in a text: one a name. */
function namesIn(text: string): number {
  let count = 0;
  for (let position = 0; position < text.length; position++) {
    const sign = text.charCodeAt(position);
    if (sign === QUOTE) position = endOfString(text, position) - 1;
    else if (sign === COLON) count++;
  }
  return count;
}

function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += fieldsIn(item);
  else for (const field of Object.values(value)) count += 1 + fieldsIn(field);
  return count;
}

function note(level: Level, name: string, found: Set<string>): void {
  level.at = level.path === '' ? name : `${level.path}.${name}`;
  if (level.names!.has(name)) found.add(level.at);
  level.names!.add(name);
}

/** Behind the closing quote. */
function endOfString(text: string, start: number): number {
  for (let position = start + 1; position < text.length; position++) {
    const sign = text.charCodeAt(position);
    if (sign === BACKSLASH) position++;
    else if (sign === QUOTE) return position + 1;
  }
  return text.length;
}

function nameOf(quoted: string): string {
  return NAME_ESCAPES.test(quoted) ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}
