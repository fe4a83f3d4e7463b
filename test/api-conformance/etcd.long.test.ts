/** The same cases where the store is a real etcd: of the distribution, and a current one. */
import { describe } from 'vitest';
import { findTool, startStoreCluster } from '../processes.ts';
import { cases } from './cases.ts';
import { PodiumServer, type Server } from './podium.ts';
import { runCases } from './run.ts';
import { SkippingClock } from './skipping-clock.ts';

for (const name of ['etcd', 'etcd-current']) {
  const program = findTool(name);
  if (program === undefined && process.env['CI'] !== undefined) throw new Error(`${name} is not installed: run .ci/install-test-clients`);
  const start = async (): Promise<Server> => {
    const cluster = await startStoreCluster({ kind: 'etcd', program });
    const server = await PodiumServer.start(cluster.client(), new SkippingClock());
    return {
      faces: server.faces,
      subject: (face, namespace) => server.subject(face, namespace),
      stop: async () => {
        await server.stop();
        await cluster.stop();
      },
    };
  };
  describe.skipIf(program === undefined)(program === undefined ? `${name} is not installed: run .ci/install-test-clients` : name, () =>
    runCases({ name: `Podium on ${name}`, faces: ['rest', 'grpc'], start }, cases),
  );
}
