import { defineConfig } from 'vitest/config';

/**
 * `unit` and `short` are `npm test`; the two `long` ones are what `npm run test:all` adds. Files of `short` and `long` start
 * real processes or run many seeds, so they run one at a time. Those of `long-side` wait more than they work, each on ports
 * and directories of its own: two of them side by side.
 */
const serial = { pool: 'forks' as const, fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 };

const side = [
  'agent/runtime/crash',
  'agent/runtime/cri/*',
  'api-conformance/*',
  'bad-input/{data-dir,ports}',
  'bench/*',
  'cli/*',
  'clients-of-the-api/{client-go,election,kubernetes-service}',
  'conformance/*',
  'e2e/*',
  'etcd/*',
  'faults/*',
  'grpc/**/*',
  'helm/*',
  'image/*',
  'kubectl/*',
  'linearizability/*',
  'store/{command-line,tls-cluster}',
  'verify/*',
].map((files) => `test/${files}.long.test.ts`);

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
          name: 'long-side',
          include: side,
          sequence: { groupOrder: 2 },
          ...serial,
          fileParallelism: true,
          maxWorkers: 2,
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/**/*.long.test.ts'],
          exclude: side,
          sequence: { groupOrder: 3 },
          ...serial,
          testTimeout: 600_000,
        },
      },
    ],
  },
});
