/**
 * Quantities (`100m`, `1.5Gi`, `2e3`) as whole nano-units in a BigInt, so that sums and comparisons are exact. Finer
 * fractions are rounded up, as Kubernetes does.
 */
const PATTERN = /^([+-]?)0*(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?$/;
const NANO = 1_000_000_000n;
export const NANO_PER_UNIT = NANO;
/** Longer text is no number that somebody means, and a BigInt that fills the memory. */
const TEXT_LENGTH_MAX = 64;
const EXPONENT_MAX = 60;
/** Binary quantities count in 64 bits. */
const BINARY_MAX = (2n ** 63n - 1n) * NANO;

const BINARY: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

export const QUANTITY_MESSAGE =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

interface Parts {
  readonly isNegative: boolean;
  /** Without leading zeros. */
  readonly whole: string;
  readonly fraction: string;
  readonly suffix: string;
  /** Of ten; of a binary suffix 0. */
  readonly exponent: number;
}

function partsOf(text: string): Parts | undefined {
  const match = PATTERN.exec(text);
  if (match === null || text === '' || text.length > TEXT_LENGTH_MAX) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  const exponent = BINARY[suffix] !== undefined ? 0 : (DECIMAL_EXPONENT[suffix] ?? Number(suffix.slice(1)));
  return Math.abs(exponent) > EXPONENT_MAX ? undefined : { isNegative: sign === '-', whole, fraction, suffix, exponent };
}

/** Objects have few quantities, again and again: a pod's are read five times while it is created. */
const parsed = new Map<string, bigint>();
const PARSED_MAX = 1_000;

/** Nano-units; undefined for text that is no quantity. */
export function parseQuantity(text: string): bigint | undefined {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const nano = nanoOf(parts);
  parsed.set(text, nano);
  return nano;
}

function nanoOf({ isNegative, whole, fraction, suffix, exponent }: Parts): bigint {
  const binary = BINARY[suffix];
  const numerator = BigInt(whole + fraction) * NANO * (binary ?? 1n) * 10n ** BigInt(Math.max(exponent, 0));
  const denominator = 10n ** BigInt(fraction.length + Math.max(-exponent, 0));
  // Away from zero, as resource.Quantity rounds.
  const nano = (numerator + denominator - 1n) / denominator;
  const capped = binary !== undefined && nano > BINARY_MAX ? BINARY_MAX : nano;
  return isNegative ? -capped : capped;
}

/** Thousandths, rounded away from zero: what cpu is counted in. */
export function toMilli(nano: bigint): bigint {
  return divideUp(nano, 1_000_000n);
}

/** Whole units, rounded away from zero: what memory and counts are counted in. */
export function toUnits(nano: bigint): bigint {
  return divideUp(nano, NANO);
}

function divideUp(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value > 0n ? quotient + 1n : quotient - 1n;
}

/** The canonical decimal text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(nano: bigint): string {
  const { digits, exponent } = decimalOf(nano);
  // Beyond E there is no suffix.
  const within = Math.min(exponent, 18);
  return `${digits}${'0'.repeat(exponent - within)}${SUFFIXES.get(within)!}`;
}

const SUFFIXES = new Map(Object.entries(DECIMAL_EXPONENT).map(([suffix, exponent]) => [exponent, suffix]));

/** With an exponent that is a multiple of three. */
function decimalOf(nano: bigint): { readonly digits: string; readonly exponent: number } {
  if (nano === 0n) return { digits: '0', exponent: 0 };
  let [value, exponent] = [nano, -9];
  for (; value % 1000n === 0n; exponent += 3) value /= 1000n;
  return { digits: value.toString(), exponent };
}

/** The text that Kubernetes gives back, whose form is that of what was written: `0.5` is `500m`, `1024Mi` is `1Gi`, `1e5` is `100e3`. */
export function canonicalQuantity(text: string): string | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const nano = nanoOf(parts);
  const isBinary = BINARY[parts.suffix] !== undefined;
  // Small ones and fractions would lose something.
  if (isBinary && nano % NANO === 0n && (nano >= 1024n * NANO || nano <= -1024n * NANO)) return formatBytes(nano / NANO);
  if (!/^[eE][+-]?\d/.test(parts.suffix)) return formatQuantity(nano);
  const { digits, exponent } = decimalOf(nano);
  return exponent === 0 ? digits : `${digits}e${exponent}`;
}

/** The text that is stored: canonical, except that what is nearly so stays as it was written (`+1`, `1.`, `1E3`), as in Kubernetes. */
export function storedQuantity(text: string): string | undefined {
  const parts = partsOf(text);
  return parts !== undefined && isKept(parts) ? text : canonicalQuantity(text);
}

function isKept({ whole, fraction, suffix, exponent }: Parts): boolean {
  const digits = whole + fraction;
  if (BINARY[suffix] !== undefined) return fraction === '' && whole !== '' && whole.length + suffixDigits(suffix) <= 14 && BigInt(whole) % 8n !== 0n;
  const scale = exponent - fraction.length;
  return scale % 3 === 0 && scale >= -9 && digits.length <= 18 && whole !== '' && !digits.endsWith('000');
}

/** About how many decimal digits a binary suffix stands for. */
function suffixDigits(suffix: string): number {
  return Math.trunc(((['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].indexOf(suffix) + 1) * 10 * 3) / 10);
}

/** The canonical binary text for bytes: `64Mi`, `1Gi`; the number alone where no power of 1024 divides it. */
export function formatBytes(bytes: bigint): string {
  if (bytes === 0n) return '0';
  for (const suffix of ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = BINARY[suffix]!;
    if (bytes % unit === 0n) return `${bytes / unit}${suffix}`;
  }
  return String(bytes);
}
