/** The cases on Podium's API server over Podium's store, all within this process; both faces on real ports. */
import { cases } from './cases.ts';
import { startMemberStore } from './member-store.ts';
import { PodiumServer, type Server } from './podium.ts';
import { runCases } from './run.ts';
import { SkippingClock } from './skipping-clock.ts';

async function start(): Promise<Server> {
  const clock = new SkippingClock();
  const store = await startMemberStore(clock);
  const server = await PodiumServer.start(store.client, clock);
  return {
    faces: server.faces,
    subject: (face, namespace) => server.subject(face, namespace),
    stop: async () => {
      await server.stop();
      await store.stop();
    },
  };
}

runCases({ name: "Podium on Podium's store", faces: ['rest', 'grpc'], start }, cases);
