import { defineConfig } from 'vitest/config';

/**
 * Three projects. `unit` and `short` are `npm test`; `long` is what `npm run test:all` adds. Files of `short` and
 * `long` start real processes or run many seeds, so they run one at a time.
 */
const serial = { pool: 'forks' as const, fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/**/*.short.test.ts', 'test/**/*.long.test.ts'],
          pool: 'forks',
          // Vitest would leave a core for itself.
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
          testTimeout: 20_000,
        },
      },
      { test: { name: 'short', include: ['test/**/*.short.test.ts'], sequence: { groupOrder: 1 }, ...serial } },
      {
        test: {
          name: 'long',
          include: ['test/**/*.long.test.ts'],
          sequence: { groupOrder: 2 },
          ...serial,
          testTimeout: 600_000,
        },
      },
    ],
  },
});
