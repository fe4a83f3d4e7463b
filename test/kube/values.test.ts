/** Quantities and selectors as properties: against rationals, against evaluators that a child could write. */
import { describe, expect, it } from 'vitest';
import { fc } from '../base/property.ts';
import { parseLabelSelector } from '../../src/kube/label-parser.ts';
import { canonicalQuantity, formatQuantity, parseQuantity, storedQuantity } from '../../src/kube/quantity.ts';
import { formatLabelQuery, matchesLabels, parseFieldSelector, selectorMatches, type LabelOperator, type LabelRequirement } from '../../src/kube/selector.ts';

// --- quantities, as fractions

interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

const SCALES: Readonly<Record<string, Fraction>> = Object.fromEntries([
  ['', { over: 1n, under: 1n }],
  ...['n', 'u', 'm'].map((suffix, index): [string, Fraction] => [suffix, { over: 1n, under: 1000n ** BigInt(3 - index) }]),
  ...['k', 'M', 'G', 'T', 'P', 'E'].map((suffix, index): [string, Fraction] => [suffix, { over: 1000n ** BigInt(index + 1), under: 1n }]),
  ...['Ki', 'Mi', 'Gi', 'Ti'].map((suffix, index): [string, Fraction] => [suffix, { over: 1024n ** BigInt(index + 1), under: 1n }]),
  ...[-9, -3, 0, 5, 12].map((exponent): [string, Fraction] => [`e${exponent}`, { over: 10n ** BigInt(Math.max(exponent, 0)), under: 10n ** BigInt(Math.max(-exponent, 0)) }]),
]);

const written = fc
  .record({
    isNegative: fc.boolean(),
    whole: fc.nat({ max: 99_999 }),
    fraction: fc.constantFrom('', '.0', '.5', '.25', '.125', '.0001', '.123456789'),
    suffix: fc.constantFrom(...Object.keys(SCALES)),
  })
  .map(({ isNegative, whole, fraction, suffix }) => {
    const digits = BigInt(`${whole}${fraction.slice(1)}`);
    const { over, under } = SCALES[suffix]!;
    const value: Fraction = { over: digits * over * (isNegative ? -1n : 1n), under: under * 10n ** BigInt(Math.max(fraction.length - 1, 0)) };
    return { text: `${isNegative ? '-' : ''}${whole}${fraction}${suffix}`, value };
  });

/** Away from zero to whole billionths. */
function nanoOf({ over, under }: Fraction): bigint {
  const size = over < 0n ? -over : over;
  const nano = (size * 1_000_000_000n + under - 1n) / under;
  return over < 0n ? -nano : nano;
}

describe('quantities', () => {
  it('are the numbers that are written', () => {
    fc.assert(fc.property(written, ({ text, value }) => parseQuantity(text) === nanoOf(value)));
  });

  it('compare and add up as fractions do', () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        const [left, right] = [parseQuantity(a.text)!, parseQuantity(b.text)!];
        const exact = a.value.over * b.value.under - b.value.over * a.value.under;
        // Rounding may bring two together, never past each other.
        if (left < right) expect(exact < 0n).toBe(true);
        if (left > right) expect(exact > 0n).toBe(true);
        expect(parseQuantity(formatQuantity(left + right))).toBe(left + right);
      }),
    );
  });

  it('are the same number in their canonical text, which is its own unless nothing is left that says it is binary', () => {
    fc.assert(
      fc.property(written, ({ text }) => {
        const canonical = canonicalQuantity(text)!;
        expect(parseQuantity(canonical)).toBe(parseQuantity(text));
        // `13828.125Ki` is `14160000`, and that by itself is `14160k`.
        if (!text.endsWith('i') || canonical.endsWith('i')) expect(canonicalQuantity(canonical)).toBe(canonical);
        else expect(parseQuantity(canonicalQuantity(canonical)!)).toBe(parseQuantity(text));
        expect(parseQuantity(storedQuantity(text)!)).toBe(parseQuantity(text));
        // No fraction, and no zeros that a suffix could stand for.
        expect(canonical).toMatch(/^-?(0|[1-9]\d*)([numkMGTPE]|[KMGTP]i|e-?\d+)?$/);
        if (!text.endsWith('i')) expect(canonical).not.toMatch(/000([numkMGTP]|e-?\d+)?$/);
      }),
    );
  });
});

// --- label selectors

const key = fc.constantFrom('a', 'b', 'app', 'x.y/a', 'in', 'notin');
const value = fc.constantFrom('', '1', '2', '10', 'web', 'in', 'A-b.c_d');
const labels = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });
const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  fc.record({ key, operator: fc.constantFrom<LabelOperator>('Equals', 'DoubleEquals', 'NotEquals'), values: value.map((one) => [one]) }),
  fc.record({ key, operator: fc.constantFrom<LabelOperator>('In', 'NotIn'), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
  fc.record({ key, operator: fc.constantFrom<LabelOperator>('Exists', 'DoesNotExist'), values: fc.constant([]) }),
  fc.record({ key, operator: fc.constantFrom<LabelOperator>('Gt', 'Lt'), values: fc.constantFrom('1', '5', '30').map((one) => [one]) }),
);
const query = fc.array(requirement, { maxLength: 4 });

/** `NotIn` and `!=` are true of an object without the label; orders are of whole numbers. */
function holds({ key: name, operator, values }: LabelRequirement, of: Readonly<Record<string, string>>): boolean {
  const has = Object.keys(of).includes(name);
  const label = has ? of[name]! : undefined;
  const isOneOf = has && new Set(values).has(label!);
  if (operator === 'Exists') return has;
  if (operator === 'DoesNotExist') return !has;
  if (operator === 'NotIn' || operator === 'NotEquals') return !isOneOf;
  if (operator === 'Gt') return /^\d+$/.test(label ?? '') && Number(label) > Number(values[0]);
  if (operator === 'Lt') return /^\d+$/.test(label ?? '') && Number(label) < Number(values[0]);
  return isOneOf;
}

describe('label selectors', () => {
  it('hold where each of their requirements does', () => {
    fc.assert(fc.property(query, labels, (all, of) => matchesLabels(all, of) === all.every((one) => holds(one, of))));
  });

  it('mean the same as text and read again, whose text is the same again', () => {
    fc.assert(
      fc.property(query, fc.array(labels, { maxLength: 3 }), (all, sets) => {
        const text = formatLabelQuery(all);
        const parsed = parseLabelSelector(text);
        if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`);
        for (const of of sets) expect(matchesLabels(parsed.value, of), text).toBe(matchesLabels(all, of));
        expect(formatLabelQuery(parsed.value)).toBe(text);
      }),
    );
  });

  it('joined by a comma hold where both do; a requirement and its opposite never', () => {
    fc.assert(
      fc.property(query, query, labels, (a, b, of) => {
        const both = parseLabelSelector([a, b].filter((one) => one.length > 0).map(formatLabelQuery).join(','));
        expect(both.ok && matchesLabels(both.value, of)).toBe(matchesLabels(a, of) && matchesLabels(b, of));
        const opposites: Readonly<Partial<Record<LabelOperator, LabelOperator>>> = { Equals: 'NotEquals', In: 'NotIn', Exists: 'DoesNotExist' };
        for (const one of a) {
          const operator = opposites[one.operator];
          if (operator !== undefined) expect(matchesLabels([{ ...one, operator }], of)).toBe(!matchesLabels([one], of));
        }
      }),
    );
  });

  it("of a spec's structure hold as their requirements do", () => {
    fc.assert(
      fc.property(labels, labels, (matchLabels, of) => {
        expect(selectorMatches({ matchLabels }, of)).toBe(Object.entries(matchLabels).every(([name, wanted]) => of[name] === wanted));
      }),
    );
  });
});

// --- field selectors

describe('field selectors', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ',', '=', '\\', '!', ' ', '.'), maxLength: 6 });
  const escaped = (one: string) => one.replace(/[\\,=]/g, (char) => `\\${char}`);

  it('read any value that is escaped', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ field: fc.constantFrom('metadata.name', 'spec.x', 'a'), negated: fc.boolean(), value: text }), { maxLength: 4 }), (wanted) => {
        const parsed = parseFieldSelector(wanted.map(({ field, negated, value: of }) => `${field}${negated ? '!=' : '='}${escaped(of)}`).join(','));
        const sorted = (all: readonly object[]) => all.map((one) => JSON.stringify(one)).sort();
        expect(parsed.ok && sorted(parsed.value)).toEqual(sorted(wanted));
      }),
    );
  });

  it('refuse a bare escape, comma or equals sign in a value', () => {
    fc.assert(fc.property(fc.constantFrom('a\\b', 'a\\', 'a=b', '=='), (bad) => !parseFieldSelector(`a=${bad}`).ok));
  });
});
