import { describe, expect, test } from 'vitest';
import { scryptHasher, threadedScryptHasher } from '../../../src/store/auth/passwords.ts';

describe.each([
  ['scryptHasher()', scryptHasher(2)],
  ['threadedScryptHasher()', threadedScryptHasher(2)],
])('%s', (_, hasher) => {
  test('knows the password, salted, and no other', async () => {
    const hashed = await hasher.hash('secret');
    expect(hashed).toMatch(/^\$scrypt\$2\$/);
    expect(await hasher.hash('secret')).not.toBe(hashed);
    expect(await hasher.verify('secret', hashed)).toBe(true);
    expect(await hasher.verify('Secret', hashed)).toBe(false);
    expect(await hasher.verify('', hasher.nobody)).toBe(false);
    for (const damaged of ['', 'secret', '$bcrypt$1$a$b', '$scrypt$99$aa$aa', '$scrypt$x$aa$aa', '$scrypt$2$aa'])
      expect(await hasher.verify('secret', damaged)).toBe(false);
  });
});

test('one hasher reads what the other wrote', async () => {
  expect(scryptHasher(3).verify('a', await threadedScryptHasher(2).hash('a'))).toBe(true);
});

test('threadedScryptHasher() leaves the loop to others, and refuses whoever would wait too long', async () => {
  const hasher = threadedScryptHasher(14);
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  const verifying = Promise.resolve(hasher.verify('a', hasher.nobody)).finally(() => (isDone = true));
  count();
  await verifying;
  // Some 50 ms of work, in which a loop that is held makes one turn.
  expect(turns).toBeGreaterThan(20);
  const cheap = threadedScryptHasher(2);
  const settled = await Promise.allSettled(Array.from({ length: 100 }, async () => cheap.hash('a')));
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(64);
  expect(settled.find((each) => each.status === 'rejected')?.reason).toMatchObject({ code: 'too-many-requests' });
  expect(await cheap.verify('a', await cheap.hash('a'))).toBe(true);
});
