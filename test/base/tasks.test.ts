import { expect, test } from 'vitest';
import { deferred } from '../../src/base/deferred.ts';
import { AbortedError } from '../../src/base/errors.ts';
import { Tasks } from '../../src/base/tasks.ts';

test('idle() waits for work that was started by work', async () => {
  const tasks = new Tasks(() => {});
  const gate = deferred<void>();
  const done: string[] = [];
  const second = async () => void done.push('second');
  tasks.run(
    gate.promise.then(() => {
      done.push('first');
      tasks.run(second());
    }),
  );
  const idle = tasks.idle().then(() => done.push('idle'));
  gate.resolve();
  await idle;
  expect(done).toEqual(['first', 'second', 'idle']);
});

test('run() reports failures, and aborts are none', async () => {
  const failures: string[] = [];
  const tasks = new Tasks((error) => failures.push(String(error)));
  tasks.run(Promise.reject(new AbortedError('sleep')));
  tasks.run(Promise.reject(new Error('broken')));
  await tasks.idle();
  expect(failures).toEqual(['Error: broken']);
});
