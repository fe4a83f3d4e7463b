/** What a scalar of YAML means to Kubernetes' reader: by its text where it stands plain, else by its tag. Pure. */

export type Known =
  | { readonly type: 'null'; readonly value: null }
  | { readonly type: 'bool'; readonly value: boolean }
  /** `uint`: past the signed 64 bits. */
  | { readonly type: 'int' | 'uint'; readonly value: bigint | number }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string };

const WORDS: ReadonlyMap<string, Known> = new Map([
  ...words({ type: 'null', value: null }, '', '~', 'null', 'Null', 'NULL'),
  ...words({ type: 'bool', value: true }, 'y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'),
  ...words({ type: 'bool', value: false }, 'n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'),
  ...words({ type: 'float', value: Infinity }, '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'),
  ...words({ type: 'float', value: -Infinity }, '-.inf', '-.Inf', '-.INF'),
  ...words({ type: 'float', value: NaN }, '.nan', '.NaN', '.NAN'),
]);

function words(known: Known, ...texts: readonly string[]): [string, Known][] {
  return texts.map((text) => [text, known]);
}

const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9]\d*)$/;
/** Underscores mean nothing within a number; behind a point they must stand between digits. */
const HAS_SEPARATORS = /^(?:[-+\d].*_|\.\d+_\d[\d_]*(?<!_)$)/;
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** Without a tag. Whatever stands in quotes or in a block is text. */
export function scalarOf(text: string, isPlain: boolean): Known {
  return isPlain ? meaningOf(text) : { type: 'string', value: text };
}

function meaningOf(text: string): Known {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  const plain = HAS_SEPARATORS.test(text) ? text.replaceAll('_', '') : text;
  return integerOf(plain) ?? floatOf(plain) ?? { type: 'string', value: text };
}

function integerOf(text: string): Known | undefined {
  const [, sign, digits] = INTEGER.exec(text) ?? [];
  if (digits === undefined) return undefined;
  // A zero before others has always meant octal here.
  const size = BigInt(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits.toLowerCase());
  const value = sign === '-' ? -size : size;
  if (value >= -INT64_MAX - 1n && value <= INT64_MAX) return { type: 'int', value: Number.isSafeInteger(Number(value)) ? Number(value) + 0 : value };
  return value > 0 && value <= UINT64_MAX && sign === '' ? { type: 'uint', value } : undefined;
}

function floatOf(text: string): Known | undefined {
  if (!FLOAT.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? { type: 'float', value } : undefined;
}

const TAG = 'tag:yaml.org,2002:';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const TIMESTAMP = /^\d{4}-\d{1,2}-\d{1,2}(?:$|[Tt ])/;

/** A text: why the scalar cannot be what its tag says. Tags that nobody knows make text. */
export function readTag(tag: string, text: string): Known | string {
  const asText: Known = { type: 'string', value: text };
  const wanted = tag.startsWith(TAG) ? tag.slice(TAG.length) : '';
  const cannot = (found: string) => `${JSON.stringify(text)} is ${found}, and is tagged !!${wanted}`;
  switch (wanted) {
    case 'binary': {
      const base64 = text.replace(/[\r\n]/g, '');
      return BASE64.test(base64) ? { type: 'string', value: Buffer.from(base64, 'base64').toString() } : cannot('no base64');
    }
    case 'timestamp':
      return TIMESTAMP.test(text) ? asText : cannot('no time');
    case 'null':
    case 'bool':
    case 'int':
    case 'float': {
      const known = meaningOf(text);
      const { type } = known;
      if (type === wanted || (type === 'uint' && wanted === 'int')) return known;
      return wanted === 'float' && type === 'int' ? { type: 'float', value: Number(known.value) } : cannot(`a ${type}`);
    }
    default:
      return asText;
  }
}
