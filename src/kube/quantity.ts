/**
 * Quantities (`100m`, `1.5Gi`, `2e3`) as whole nano-units in a BigInt, so that sums and comparisons are exact. Finer
 * fractions are rounded up, as Kubernetes does.
 */
const PATTERN = /^([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?$/;
const NANO = 1_000_000_000n;
export const NANO_PER_UNIT = NANO;
/** Beyond it an exponent is a mistake, and a BigInt that fills the memory. */
const EXPONENT_MAX = 18;

const BINARY: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

export const QUANTITY_MESSAGE =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** Nano-units; undefined for text that is no quantity. */
export function parseQuantity(text: string): bigint | undefined {
  const match = PATTERN.exec(text);
  if (match === null || text.length > 64) return undefined;
  const [, sign, number = '', suffix = ''] = match;
  const [whole = '', fraction = ''] = number.split('.');
  const digits = BigInt(whole + fraction);
  let numerator = digits * NANO;
  let denominator = 10n ** BigInt(fraction.length);
  const binary = BINARY[suffix];
  if (binary !== undefined) numerator *= binary;
  else {
    const exponent = DECIMAL_EXPONENT[suffix] ?? (suffix === '' ? 0 : Number(suffix.slice(1)));
    if (Math.abs(exponent) > EXPONENT_MAX) return undefined;
    if (exponent >= 0) numerator *= 10n ** BigInt(exponent);
    else denominator *= 10n ** BigInt(-exponent);
  }
  const isNegative = sign === '-';
  // Away from zero, as resource.Quantity rounds.
  const nano = (numerator + denominator - 1n) / denominator;
  return isNegative ? -nano : nano;
}

/** Thousandths, rounded up: what cpu is counted in. */
export function toMilli(nano: bigint): bigint {
  return ceilDivide(nano, 1_000_000n);
}

/** Whole units, rounded up: what memory and counts are counted in. */
export function toUnits(nano: bigint): bigint {
  return ceilDivide(nano, NANO);
}

function ceilDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value > 0n && value % by !== 0n ? quotient + 1n : quotient;
}

/** The canonical decimal text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(nano: bigint): string {
  if (nano === 0n) return '0';
  const suffixes: readonly (readonly [bigint, string])[] = [
    [NANO * 10n ** 18n, 'E'],
    [NANO * 10n ** 15n, 'P'],
    [NANO * 10n ** 12n, 'T'],
    [NANO * 10n ** 9n, 'G'],
    [NANO * 10n ** 6n, 'M'],
    [NANO * 10n ** 3n, 'k'],
    [NANO, ''],
    [1_000_000n, 'm'],
    [1_000n, 'u'],
  ];
  for (const [unit, suffix] of suffixes) if (nano % unit === 0n) return `${nano / unit}${suffix}`;
  return `${nano}n`;
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
