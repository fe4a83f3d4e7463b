/** What the cri runtime knows of its pods while looks at everything cross what it does itself. */
import { expect, test } from 'vitest';
import { CriClient } from '../../../../src/agent/runtime/cri/client.ts';
import { LABEL } from '../../../../src/agent/runtime/cri/core/pod-config.ts';
import { PodTable } from '../../../../src/agent/runtime/cri/pod-table.ts';
import { deferred } from '../../../../src/base/deferred.ts';
import { DrivenClock } from '../../../../src/base/driven-clock.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { ContainerState, PodSandboxState, RuntimeService } from '../../../../src/proto/cri.ts';
import { directChannel } from '../../../../src/proto/direct-channel.ts';
import { bind } from '../../../../src/proto/rpc.ts';

const SANDBOX = { id: 'cri-1', metadata: { name: 'web', uid: 'pod-a', namespace: 'default', attempt: 0 }, state: PodSandboxState.SANDBOX_READY, createdAt: 0n };

/** A runtime with one sandbox, whose list is on its way until `arrive` is called. */
function withOneSandbox() {
  const asked = deferred<void>();
  const arrived = deferred<void>();
  const listPodSandbox = async () => {
    const items = isThere ? [SANDBOX] : [];
    asked.resolve();
    await arrived.promise;
    return { items };
  };
  let isThere = true;
  const services = [bind(RuntimeService, { listContainers: () => ({ containers: [] }), listPodSandbox, podSandboxStatus: () => ({ status: { id: 'cri-1', network: { ip: '10.244.7.2' } } }) })];
  const clock = new DrivenClock();
  const client = new CriClient({ channel: directChannel({ services, clock, log: silentLog }), endpoint: 'unix:///test' });
  const table = new PodTable({ client, owner: 'me', clock, nodeIp: '10.250.0.1', onChange: () => undefined });
  return { table, asked: asked.promise, arrive: () => arrived.resolve(), remove: () => (isThere = false) };
}

/** A runtime with one container that was just killed; why, it says as it is told to. */
function withKilled(reason: () => string) {
  let asked = 0;
  const container = { id: 'cri-2', metadata: { name: 'main', attempt: 0 }, labels: new Map([[LABEL.podUid, 'pod-a']]), state: ContainerState.CONTAINER_EXITED };
  const clock = new DrivenClock();
  const finishedAt = BigInt(clock.wall()) * 1_000_000n;
  const services = [
    bind(RuntimeService, {
      listContainers: () => ({ containers: [container] }),
      listPodSandbox: () => ({ items: [] }),
      containerStatus: () => {
        asked++;
        return { status: { ...container, createdAt: 1n, startedAt: 2n, finishedAt, exitCode: 137, reason: reason() } };
      },
    }),
  ];
  const client = new CriClient({ channel: directChannel({ services, clock, log: silentLog }), endpoint: 'unix:///test' });
  const changed: string[] = [];
  const table = new PodTable({ client, owner: 'me', clock, nodeIp: '10.250.0.1', onChange: (uid) => changed.push(uid) });
  const look = async () => {
    const looking = table.refresh();
    await clock.advance(100);
    await looking;
    return table.containerByCriId('cri-2')?.record.reason;
  };
  return { look, asked: () => asked, changed, clock };
}

test('a sandbox that was removed while a look was under way does not come back with what that look has seen', async () => {
  const { table, asked, arrive, remove } = withOneSandbox();
  const { id: criId } = SANDBOX;
  table.setSandbox({ criId, uid: 'pod-a', attempt: 0, isReady: true, namespace: 'default', name: 'web', ip: '10.244.7.2', createdAtMs: 0 });
  const look = table.refresh();
  await asked;
  remove();
  table.removeSandbox(criId);
  arrive();
  await look;
  expect([...table.uids]).toEqual([]);
  await table.refresh();
  expect([...table.uids]).toEqual([]);
});

test('one that another agent has made is found by a look', async () => {
  const { table, arrive } = withOneSandbox();
  arrive();
  expect(await table.refresh()).toBe(true);
  expect(table.sandboxRows('pod-a').map(({ ip }) => ip)).toEqual(['10.244.7.2']);
});

test('why a container was killed is asked for until it is told, for a second', async () => {
  let reason = 'Error';
  const { look, asked, changed } = withKilled(() => reason);
  expect(await look()).toBeUndefined();
  expect(await look()).toBeUndefined();
  reason = 'OOMKilled';
  expect(await look()).toBe('OOMKilled');
  expect(changed).toEqual(['pod-a', 'pod-a']);
  const askedUntilThen = asked();
  await look();
  expect(asked()).toBe(askedUntilThen);
});

test('that a killed container has no reason is believed after a second', async () => {
  const { look, asked, clock } = withKilled(() => 'Error');
  await look();
  await look();
  await clock.advance(1_000);
  await look();
  const askedUntilThen = asked();
  await look();
  expect(asked()).toBe(askedUntilThen);
});
