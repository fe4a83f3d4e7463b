import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { type PartRecord, readCluster, readFaults, writeCluster, writeFault } from '../../src/cluster/data-dir.ts';
import { killPart, pausePart, restartPart, resumePart } from '../../src/cluster/faults.ts';
import { requireFreePorts } from '../../src/cluster/ports.ts';
import { identify, isAlive, isPaused, processesBelow, signalGroup } from '../../src/cluster/processes.ts';
import { type PartSpec, Supervisor, type SupervisorEvent } from '../../src/cluster/supervisor.ts';
import { until as untilSo } from '../until.ts';

let dataDir: string;
let events: SupervisorEvent[];
let started: Supervisor[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podium-supervisor-'));
  events = [];
  started = [];
});
afterEach(async () => {
  for (const supervisor of started) await supervisor.stop([], async () => {});
  rmSync(dataDir, { recursive: true });
});

const runsForever = 'setInterval(() => {}, 1000)';

function part(name: string, program = runsForever): PartSpec {
  const logFile = join(dataDir, 'logs', `${name}.log`);
  return { name, command: process.execPath, args: ['-e', program], env: { PART: name }, logFile, addresses: ['127.0.0.1:1'] };
}

function supervise(parts: readonly PartSpec[], isReady = async () => true): Supervisor {
  const supervisor = new Supervisor({
    dataDir,
    parts,
    clock: systemClock,
    isReady,
    onChange: (records) => {
      writeCluster(dataDir, {
        name: 'test',
        id: 'test',
        portBase: 0,
        insecure: true,
        supervisor: identify(process.pid)!,
        parts: records,
      });
    },
    onEvent: (event) => events.push(event),
  });
  started.push(supervisor);
  return supervisor;
}

const until = <T>(what: string, probe: () => T) => untilSo(() => `${what}: ${JSON.stringify(events)}`, probe);

const recordOf = (name: string): PartRecord => readCluster(dataDir)!.parts.find((one) => one.name === name)!;
const here = () => ({ dataDir, clock: systemClock });

describe('Supervisor', () => {
  test('a part that dies by itself is restarted, later each time', async () => {
    await supervise([part('a'), part('b')]).start(10_000);
    const first = recordOf('a');
    const other = recordOf('b');
    signalGroup(first, 'SIGKILL');
    const second = await until('a restart', () => recordOf('a').restarts === 1 && recordOf('a').pid !== 0 && recordOf('a'));
    expect(second.pid).not.toBe(first.pid);
    signalGroup(second, 'SIGKILL');
    await until('a second restart', () => recordOf('a').restarts === 2 && recordOf('a').pid !== 0);
    const delays = events.flatMap((event) => (event.type === 'exited' ? [event.restartInMs] : []));
    expect(delays).toEqual([100, 500]);
    expect(recordOf('b')).toEqual(other);
  });

  test('a part that a fault killed stays down until it is restarted', async () => {
    await supervise([part('a'), part('b')]).start(10_000);
    const before = recordOf('a');
    expect(await killPart(here(), 'a', false)).toBe('a killed');
    await until('held', () => events.some((event) => event.type === 'held'));
    expect(isAlive(before)).toBe(false);
    // Longer than the first back-off: only the record keeps it down.
    await sleep(systemClock, 300);
    expect(recordOf('a').pid).toBe(0);
    process.once('SIGUSR2', () => started[0]!.reconsider());
    expect(await restartPart(here(), 'a')).toMatch(/^a restarted \(pid \d+\)$/);
    await until('the fault is over', () => readFaults(dataDir).length === 0);
  });

  test('a paused part is frozen, a resumed one goes on, and both keep their pid', async () => {
    await supervise([part('a')]).start(10_000);
    const before = recordOf('a');
    expect(pausePart(here(), 'a')).toBe('a paused');
    await until('frozen', () => isPaused(before));
    expect(readFaults(dataDir).map(({ kind }) => kind)).toEqual(['pause']);
    expect(resumePart(here(), 'a')).toBe('a resumed');
    await until('thawed', () => !isPaused(before));
    expect(recordOf('a')).toEqual(before);
    expect(() => pausePart(here(), 'aa')).toThrow('no part "aa": did you mean a?');
  });

  test('a new supervisor adopts what still runs, and notices its later death', async () => {
    const child = spawn(process.execPath, ['-e', runsForever], { detached: true, stdio: 'ignore' });
    const orphan = identify(child.pid!)!;
    const record = { name: 'a', ...orphan, addresses: [], restarts: 4 };
    const stale = { name: 'b', pid: orphan.pid, startTime: orphan.startTime + 1, addresses: [], restarts: 0 };
    const supervisor = supervise([part('a'), part('b')]);
    expect(supervisor.adopt([record, stale])).toEqual(['a']);
    await supervisor.start(10_000);
    expect(recordOf('a').pid).toBe(orphan.pid);
    expect(recordOf('b').pid).not.toBe(orphan.pid);
    signalGroup(orphan, 'SIGKILL');
    await until('a restart', () => recordOf('a').restarts === 5 && recordOf('a').pid !== 0);
  });

  test('a start that fails says why and leaves nothing running', async () => {
    const broken = part('b', 'console.error(JSON.stringify({level:"error",msg:"store: data is damaged"})); process.exit(3)');
    await expect(supervise([part('a'), broken], async () => false).start(10_000)).rejects.toThrow(
      /^b ended while starting \(exit code 3\); .*b\.log says:\n {2}error: store: data is damaged$/,
    );
    const { pid } = events.find((event) => event.type === 'started' && event.part === 'a') as { pid: number };
    expect(identify(pid)).toBeUndefined();
    expect(recordOf('a').pid).toBe(0);
  });

  test('a start that takes too long names the late part', async () => {
    await expect(supervise([part('a')], async () => false).start(100)).rejects.toThrow(/^not ready after 0 s: a/);
    expect(recordOf('a').pid).toBe(0);
  });

  test('a fault from before keeps a part down while the others are adopted or started', async () => {
    writeFault(dataDir, 'b', { part: 'b', kind: 'kill', since: '2024-01-01T00:00:00Z' });
    await supervise([part('a'), part('b')]).start(10_000);
    expect(recordOf('a').pid).toBeGreaterThan(0);
    expect(recordOf('b').pid).toBe(0);
  });

  test('stop() ends a part that ignores nothing, a frozen one too, and keeps its files', async () => {
    const supervisor = supervise([part('a'), part('b')]);
    await supervisor.start(10_000);
    const before = recordOf('a');
    pausePart(here(), 'a');
    await supervisor.stop([(name) => name === 'a'], async () => {});
    expect(isAlive(before)).toBe(false);
    expect(readFileSync(join(dataDir, 'logs', 'a.log'), 'utf8')).toBe('');
  });
});

describe('processesBelow()', () => {
  test('finds what works inside a directory, and what descends from it, but not the agent', async () => {
    const inside = join(dataDir, 'node-1', 'pods', 'x');
    mkdirSync(inside, { recursive: true });
    // A shell inside, whose child moved away.
    const child = spawn('sh', ['-c', '(cd / && exec sleep 60) & echo up > started; wait'], { cwd: inside, detached: true, stdio: 'ignore' });
    try {
      const found = await until('two processes', () => {
        const below = processesBelow(join(dataDir, 'node-1'), []);
        return below.length === 2 && below;
      });
      expect(found.map(({ pid }) => pid)).toContain(child.pid);
      expect(processesBelow(join(dataDir, 'node-1'), [child.pid!])).toHaveLength(1);
      expect(processesBelow(join(dataDir, 'node'), [])).toEqual([]);
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
    }
  });
});

describe('requireFreePorts()', () => {
  test('says which port, what for, who holds it and what to do', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(requireFreePorts([{ port, purpose: 'clients of store-1' }])).rejects.toThrow(
        new RegExp(`^port 127\\.0\\.0\\.1:${port} \\(clients of store-1\\) is taken by pid ${process.pid} \\(.*\\)\nStop what holds it, .*--port-base`),
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    await requireFreePorts([{ port, purpose: 'clients of store-1' }]);
  });
});
