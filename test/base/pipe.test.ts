import { describe, expect, test } from 'vitest';
import { forEach, Pipe } from '../../src/base/pipe.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('what was pushed before the end arrives before the end', async () => {
  const pipe = new Pipe<number>(2);
  expect([pipe.push(1), pipe.push(2), pipe.push(3)]).toEqual([true, false, false]);
  pipe.end(new Error('broken'));
  expect(pipe.push(4)).toBe(true);
  const iterator = pipe[Symbol.asyncIterator]();
  expect([await iterator.next(), await iterator.next(), await iterator.next()].map(({ value }) => value)).toEqual([
    1, 2, 3,
  ]);
  await expect(iterator.next()).rejects.toThrow('broken');
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test('a waiting consumer is served, and ended', async () => {
  const pipe = new Pipe<number>(2);
  const collecting = collect(pipe);
  pipe.push(1);
  await Promise.resolve();
  pipe.push(2);
  pipe.end();
  expect(await collecting).toEqual([1, 2]);
});

test('drained() waits for a consumer that is behind', async () => {
  let drains = 0;
  const pipe = new Pipe<number>(2, { drain: () => drains++ });
  pipe.push(1);
  pipe.push(2);
  const order: string[] = [];
  const drained = pipe.drained().then(() => order.push('drained'));
  const iterator = pipe[Symbol.asyncIterator]();
  await iterator.next();
  order.push('one taken');
  await iterator.next();
  await drained;
  expect(order).toEqual(['one taken', 'drained']);
  expect(drains).toBe(1);
});

test('a consumer that leaves is told of once, and lets the producer go', async () => {
  let returns = 0;
  const pipe = new Pipe<number>(1, { return: () => returns++ });
  pipe.push(1);
  const drained = pipe.drained();
  for await (const _ of pipe) break;
  await drained;
  expect(returns).toBe(1);
  expect(await collect(pipe)).toEqual([]);
});

test('a consumer that is always one behind gets everything in order', async () => {
  const pipe = new Pipe<number>(1000);
  const iterator = pipe[Symbol.asyncIterator]();
  pipe.push(0);
  for (let i = 1; i < 500; i++) {
    pipe.push(i);
    expect((await iterator.next()).value).toBe(i - 1);
    expect(pipe.length).toBe(1);
  }
});

describe('each()', () => {
  test('what waits, then each item within its push, until the end', async () => {
    const pipe = new Pipe<number>(2);
    const taken: number[] = [];
    pipe.push(1);
    pipe.push(2);
    const over = pipe.each((item) => taken.push(item));
    expect(taken).toEqual([1, 2]);
    expect([pipe.push(3), pipe.push(4), pipe.push(5)]).toEqual([true, true, true]);
    expect(taken).toEqual([1, 2, 3, 4, 5]);
    pipe.end();
    pipe.push(6);
    await over;
    expect(taken).toEqual([1, 2, 3, 4, 5]);
  });

  test('what a producer pushes once there is room comes behind what waited', async () => {
    let next = 3;
    const pipe: Pipe<number> = new Pipe<number>(2, { drain: () => void (next < 6 && pipe.push(next++)) });
    pipe.push(1);
    pipe.push(2);
    const taken: number[] = [];
    const over = pipe.each((item) => taken.push(item));
    pipe.push(9);
    pipe.end();
    await over;
    expect(taken).toEqual([1, 2, 3, 9]);
  });

  test('rejects with the error that the pipe ends with, also where it has ended', async () => {
    const pipe = new Pipe<number>(2);
    const over = pipe.each(() => undefined);
    pipe.end(new Error('cut off'));
    await expect(over).rejects.toThrow('cut off');
    const ended = new Pipe<number>(2);
    const taken: number[] = [];
    ended.push(1);
    ended.end(new Error('cut off before'));
    await expect(ended.each((item) => taken.push(item))).rejects.toThrow('cut off before');
    expect(taken).toEqual([1]);
  });

  test('what the consumer throws ends it, and the producer is told', async () => {
    let returns = 0;
    const pipe = new Pipe<number>(2, { return: () => returns++ });
    const taken: number[] = [];
    const refuse = (item: number) => {
      if (item === 2) throw new Error('no twos');
      taken.push(item);
    };
    const over = pipe.each(refuse);
    for (const item of [1, 2, 3]) pipe.push(item);
    await expect(over).rejects.toThrow('no twos');
    expect([taken, returns]).toEqual([[1], 1]);
    const late = new Pipe<number>(9);
    for (const item of [1, 2, 3]) late.push(item);
    await expect(late.each(refuse)).rejects.toThrow('no twos');
    expect(taken).toEqual([1, 1]);
  });

  test('who iterates it in vain, and ends it so, ends it without an error', async () => {
    const pipe = new Pipe<number>(2);
    const over = pipe.each(() => undefined);
    await pipe[Symbol.asyncIterator]().return?.();
    await over;
  });

  test('forEach() takes any other iterable one by one', async () => {
    const taken: number[] = [];
    async function* numbers() {
      yield* [1, 2, 3];
    }
    await forEach(numbers(), (item) => taken.push(item));
    expect(taken).toEqual([1, 2, 3]);
  });
});
