/** The main job as a person would do it: every command the built one, every part a process, every fault real. */
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCluster } from '../../src/cluster/data-dir.ts';
import { identify } from '../../src/cluster/processes.ts';
import { Load, ProcessCluster } from './cluster.ts';
import { StoreProbe } from './store.ts';

const HELLO = readFileSync('cluster-config/examples/hello.yaml', 'utf8');
const versioned = (version: string) => HELLO.replace('value: v1', `value: ${version}`);

/** Names and nodes of the pods that run, by name. */
async function runningPods(cluster: ProcessCluster): Promise<Map<string, string>> {
  const { items } = JSON.parse(await cluster.out('get pods -o json')) as {
    items: { metadata: { name: string; deletionTimestamp?: string }; spec: { nodeName: string }; status: { phase: string } }[];
  };
  const running = items.filter(({ metadata, status }) => status.phase === 'Running' && metadata.deletionTimestamp === undefined);
  return new Map(running.map(({ metadata, spec }) => [metadata.name, spec.nodeName]));
}

describe('the main job', () => {
  const cluster = new ProcessCluster();
  let store: StoreProbe;
  beforeAll(async () => {
    await cluster.up();
    store = new StoreProbe(cluster.dataDir);
    await cluster.out('apply -f cluster-config/examples/hello.yaml');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    await cluster.until('a first answer', 10_000, () => cluster.fetch(30_080).catch(() => undefined));
  }, 120_000);
  afterAll(async () => {
    store.close();
    await cluster.remove();
  }, 60_000);

  test('a killed store leader: writes again within half a second, no request dropped, the member catches up', async () => {
    const load = new Load(cluster, 30_080);
    const leader = await store.leader();
    const others = ['store-1', 'store-2', 'store-3'].filter((name) => name !== leader);
    await cluster.out(`fault kill ${leader}`);
    expect(await store.msToNextWrite(others)).toBeLessThan(7_000);
    const written = await store.put(others[0]!, 'while-it-was-down', 'yes');
    expect(written).toEqual(expect.any(Number));
    expect((await cluster.run('status', { isAllowedToFail: true })).exitCode).toBe(1);
    await cluster.out(`fault restart ${leader}`);
    await cluster.out('status --wait 20');
    expect(await store.put(leader, 'when-it-was-back', 'yes')).toBeGreaterThan(written as number);
    const { failures, count } = await load.stop();
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(20);
  });

  test('two members killed: writes are refused in time, pods go on, all resumes with one back', async () => {
    const load = new Load(cluster, 30_080);
    await cluster.out('fault kill store-1 store-2');
    const refusal = await store.put('store-3', 'nobody-hears', 'x', 10_000);
    expect(refusal).toMatch(/etcdserver: (?:no leader|request timed out|leader changed)|unavailable/i);
    await cluster.out('fault restart store-1');
    await cluster.until('a write', 15_000, async () => typeof (await store.put('store-3', 'again', 'x')) === 'number');
    await cluster.out('fault restart store-2');
    await cluster.out('status --wait 20');
    expect((await load.stop()).failures).toEqual([]);
  });

  test('a rolling update drops no request; a bad version stops; undo brings the old one back', async () => {
    const load = new Load(cluster, 30_080);
    expect(await cluster.out('apply -f -', versioned('v2'))).toContain('deployment.apps/hello configured');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    await cluster.until('only v2', 10_000, async () => {
      const answers = await Promise.all(Array.from({ length: 9 }, () => cluster.fetch(30_080)));
      return answers.every((answer) => answer.endsWith(' v2'));
    });
    const bad = versioned('v3').replace('app/server.cjs', 'app/nothing.cjs');
    await cluster.out('apply -f -', bad);
    const stuck = await cluster.run('rollout status deployment/hello --timeout=8s', { isAllowedToFail: true });
    expect(stuck.exitCode).toBe(1);
    expect((await cluster.fetch(30_080)).endsWith(' v2')).toBe(true);
    expect(await cluster.out('rollout undo deployment/hello')).toBe('deployment.apps/hello rolled back\n');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    expect((await cluster.fetch(30_080)).endsWith(' v2')).toBe(true);
    expect(await cluster.out('rollout history deployment/hello')).toMatch(/^REVISION +CHANGE-CAUSE\n1 .*\n3 .*\n4 .*/m);
    const { failures, count } = await load.stop();
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(100);
  });

  test('the API server, the scheduler and the controllers may die: pods serve, and work goes on', async () => {
    const load = new Load(cluster, 30_080);
    const before = await runningPods(cluster);
    for (const part of ['apiserver', 'scheduler', 'controllers']) await cluster.out(`fault kill ${part}`);
    for (const part of ['apiserver', 'scheduler', 'controllers']) await cluster.out(`fault restart ${part}`);
    await cluster.out('status --wait 20');
    expect(await runningPods(cluster)).toEqual(before);
    await cluster.out('scale deployment/hello --replicas=4');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    expect((await runningPods(cluster)).size).toBe(4);
    await cluster.out('scale deployment/hello --replicas=3');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    expect((await load.stop()).failures).toEqual([]);
  });

  test('an agent that restarts adopts its pods, with their logs', async () => {
    const before = await runningPods(cluster);
    const [pod] = [...before].find(([, node]) => node === 'node-1')!;
    const logged = await cluster.out(`logs ${pod}`);
    expect(logged).toMatch(/listens on (?:10\.244|127)\./);
    await cluster.out('fault kill node-1');
    await cluster.out('fault restart node-1');
    await cluster.out('status --wait 20');
    expect(await runningPods(cluster)).toEqual(before);
    expect(await cluster.out(`logs ${pod}`)).toBe(logged);
  });

  test('a node that dies with its pods: they are replaced on the other within 20 s', async () => {
    await cluster.out('fault kill node-2 --with-pods');
    await cluster.until('three pods on node-1', 20_000, async () => {
      const pods = await runningPods(cluster);
      return pods.size === 3 && [...pods.values()].every((node) => node === 'node-1');
    });
    await cluster.out('rollout status deployment/hello --timeout=20s');
    await cluster.until('answers of three', 10_000, async () => {
      const answers = await Promise.all(Array.from({ length: 9 }, () => cluster.fetch(30_080).catch(() => 'none')));
      return new Set(answers).size === 3 && !answers.includes('none');
    });
    await cluster.out('fault restart node-2');
    await cluster.out('status --wait 20');
  });

  test('drain moves the pods; uncordon lets them come back', async () => {
    expect(await cluster.out('drain node-1 --timeout=60s')).toContain('node/node-1 drained\n');
    await cluster.out('rollout status deployment/hello --timeout=60s');
    expect(new Set((await runningPods(cluster)).values())).toEqual(new Set(['node-2']));
    expect(await cluster.out('uncordon node-1')).toBe('node/node-1 uncordoned\n');
  });

  test('a supervisor that dies takes nothing with it, and the next one adopts all', async () => {
    const before = readCluster(cluster.dataDir)!;
    process.kill(before.supervisor.pid, 'SIGKILL');
    await cluster.fetch(30_080);
    expect((await cluster.up()).stdout).toMatch(/store-1 +adopted/);
    const after = readCluster(cluster.dataDir)!;
    expect(after.parts.map(({ name, pid }) => [name, pid])).toEqual(before.parts.map(({ name, pid }) => [name, pid]));
    expect(after.supervisor.pid).not.toBe(before.supervisor.pid);
    expect((await cluster.run(`up --port-base ${cluster.portBase}`, { isAllowedToFail: true })).stderr).toContain('is already up');
  });

  test('down ends every process, and the next start finds all objects and pods again', async () => {
    const pids = readCluster(cluster.dataDir)!.parts.map(({ pid }) => pid);
    expect(await cluster.out('down')).toMatch(/^8 parts ended/);
    expect(pids.filter((pid) => identify(pid) !== undefined)).toEqual([]);
    expect(cluster.processes()).toEqual([]);
    await cluster.up();
    await cluster.until('three pods answer', 20_000, async () => {
      const answers = await Promise.all(Array.from({ length: 9 }, () => cluster.fetch(30_080).catch(() => 'none')));
      return new Set(answers).size === 3 && answers.every((answer) => answer.endsWith(' v2'));
    });
    expect(await cluster.out('get deployment hello')).toMatch(/^hello +3\/3 +3 +3 /m);
  });
});

describe('a start that cannot be', () => {
  test('a taken port: which, by whom, what to do; nothing is left', async () => {
    const cluster = new ProcessCluster();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(2379 + cluster.portBase, '127.0.0.1', resolve));
    try {
      const { exitCode, stderr } = await cluster.run(`up --port-base ${cluster.portBase}`, { isAllowedToFail: true });
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`port 127.0.0.1:${2379 + cluster.portBase} (clients of store-1) is taken by pid ${process.pid}`);
      expect(readCluster(cluster.dataDir)).toBeUndefined();
    } finally {
      server.close();
      await cluster.remove();
    }
  });

  test('an unknown field', async () => {
    const cluster = new ProcessCluster();
    try {
      const config = join(cluster.dataDir, 'bad.yaml');
      writeFileSync(config, 'name: local\nstores: 3\n');
      const { stderr } = await cluster.run(`up --config ${config}`, { isAllowedToFail: true });
      expect(stderr).toBe(`${config}:2:1: unknown field "stores": did you mean store?\n`);
    } finally {
      await cluster.remove();
    }
  });

  test('data of another cluster: the member says so, and nothing is left', async () => {
    const cluster = new ProcessCluster();
    try {
      await cluster.up();
      await cluster.out('down');
      for (const file of ['cluster-id.json', 'cluster.json']) {
        const path = join(cluster.dataDir, file);
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"id": "[0-9a-f]+"/, '"id": "another"'));
      }
      const { exitCode, stderr, stdout } = await cluster.run(`up --port-base ${cluster.portBase} --config ${join(cluster.dataDir, 'config.yaml')}`, { isAllowedToFail: true });
      expect(exitCode).toBe(1);
      expect(stdout + stderr).toMatch(/store-\d ended while starting .*\n.*the log belongs to member [0-9a-f]+ of cluster [0-9a-f]+, this is /);
      expect(readCluster(cluster.dataDir)!.parts.every(({ pid }) => pid === 0)).toBe(true);
      expect(cluster.processes()).toEqual([]);
    } finally {
      await cluster.remove();
    }
  });
});
