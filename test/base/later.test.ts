import { expect, test } from 'vitest';
import { Later, mapped } from '../../src/base/later.ts';

function listened<T>(promise: Promise<T>): string[] {
  const told: string[] = [];
  if (!(promise instanceof Later)) throw new Error('not a Later');
  promise.listen({ onValue: (value) => told.push(`value ${String(value)}`), onError: (error) => told.push(`error ${String(error)}`) });
  return told;
}

test('its listener is told within the call that settles it, once', () => {
  const later = new Later<number>();
  const told = listened(later);
  expect(told).toEqual([]);
  later.settle(1);
  expect(told).toEqual(['value 1']);
  later.settle(2);
  later.fail('late');
  expect(told).toEqual(['value 1']);
});

test('who listens late is told of what was settled first', () => {
  const later = new Later<number>();
  later.fail('first');
  later.settle(2);
  expect(listened(later)).toEqual(['error first']);
});

test('it is a promise to whoever takes it for one, as often as he asks', async () => {
  const later = new Later<number>();
  const ends: string[] = [];
  const both = Promise.all([later, later.then((value) => value + 1), later.finally(() => ends.push('end'))]);
  later.settle(1);
  expect(await both).toEqual([1, 2, 1]);
  expect(ends).toEqual(['end']);
  const failing = new Later<number>();
  failing.fail(new Error('no'));
  await expect(failing).rejects.toThrow('no');
  expect(await failing.catch(() => 'caught')).toBe('caught');
});

test('mapped() changes a value at once, and makes an error of what that throws', async () => {
  const later = new Later<number>();
  const told = listened(mapped(later, (value) => value * 2));
  later.settle(21);
  expect(told).toEqual(['value 42']);

  const thrower = new Later<number>();
  const toldOfThrow = listened(mapped(thrower, () => { throw 'thrown'; }));
  thrower.settle(1);
  expect(toldOfThrow).toEqual(['error thrown']);

  const failing = new Later<number>();
  const toldOfFailure = listened(mapped(failing, () => 'not asked'));
  failing.fail('why');
  expect(toldOfFailure).toEqual(['error why']);

  expect(await mapped(Promise.resolve(1), (value) => value + 1)).toBe(2);
});
