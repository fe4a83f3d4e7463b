import { expect, test } from 'vitest';
import { fc } from './property.ts';
import { MinHeap } from '../../src/base/min-heap.ts';

test('what comes out is what is least of all that is in it', () => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, { weight: 2, arbitrary: fc.constant('pop' as const) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const heap = new MinHeap<number>((a, b) => a < b);
      const model: number[] = [];
      for (const one of steps) {
        if (one === 'pop') expect(heap.pop()).toBe(model.shift());
        else {
          heap.push(one);
          model.push(one);
          model.sort((a, b) => a - b);
        }
        expect([heap.length, heap.peek()]).toEqual([model.length, model[0]]);
      }
      heap.clear();
      expect([heap.length, heap.pop()]).toEqual([0, undefined]);
    }),
  );
});
