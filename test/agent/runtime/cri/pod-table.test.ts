import { expect, test } from 'vitest';
import { CriClient } from '../../../../src/agent/runtime/cri/client.ts';
import { LABEL } from '../../../../src/agent/runtime/cri/core/pod-config.ts';
import { PodTable } from '../../../../src/agent/runtime/cri/pod-table.ts';
import { deferred } from '../../../../src/base/deferred.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { PodSandboxState, RuntimeService, type PodSandbox } from '../../../../src/proto/cri.ts';
import { directChannel } from '../../../../src/proto/direct-channel.ts';
import { bind } from '../../../../src/proto/rpc.ts';
import type { Init } from '../../../../src/proto/wire.ts';

test('refresh() does not bring back what was removed while it looked', async () => {
  const sandbox: Init<PodSandbox> = { id: 'c1', metadata: { name: 'web', namespace: 'ns', uid: 'u1', attempt: 0 }, state: PodSandboxState.SANDBOX_READY, labels: new Map([[LABEL.podUid, 'u1']]) };
  let listed = [sandbox];
  const asked = deferred<void>();
  const answer = deferred<void>();
  let isHeld = false;
  const service = bind(RuntimeService, {
    listContainers: () => ({ containers: [] }),
    podSandboxStatus: () => ({ status: { id: 'c1', network: { ip: '10.244.0.2' } } }),
    listPodSandbox: async () => {
      const items = listed;
      if (!isHeld) return { items };
      asked.resolve();
      await answer.promise;
      return { items };
    },
  });
  const client = new CriClient({ channel: directChannel({ services: [service], clock: systemClock, log: silentLog }), endpoint: 'unix:///test' });
  const table = new PodTable({ client, owner: 'o', clock: systemClock, nodeIp: '127.0.0.1', onChange: () => undefined });
  await table.refresh();
  expect([...table.uids]).toEqual(['u1']);
  isHeld = true;
  const looking = table.refresh();
  await asked.promise;
  table.removeSandbox('c1');
  answer.resolve();
  await looking;
  expect([...table.uids]).toEqual([]);
  // Whoever comes by that name later is somebody else.
  isHeld = false;
  await table.refresh();
  expect([...table.uids]).toEqual(['u1']);
  listed = [];
  await table.refresh();
  expect([...table.uids]).toEqual([]);
});
