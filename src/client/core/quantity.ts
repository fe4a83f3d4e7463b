/** Resource quantities as numbers: enough for adding up and comparing what pods ask for and nodes have. */

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/;

/** In thousandths, rounded up, as Kubernetes' MilliValue: the API server has validated it, so bad text counts as 0. */
export function milliValue(quantity: string | number): number {
  const match = QUANTITY.exec(String(quantity));
  if (match === null) return 0;
  const [, digits = '0', exponent = '', suffix = ''] = match;
  // Floating point makes 0.1 * 1000 = 100.00000000000001 of some numbers: what is that near is the whole number.
  const value = Number(digits + exponent) * SUFFIXES[suffix]! * 1000;
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-6 ? whole : Math.ceil(value);
}
