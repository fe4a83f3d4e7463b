/** What this machine is, for the node's status, and what this process uses of it. */
import { readFileSync } from 'node:fs';
import { hostname, machine, release } from 'node:os';
import type { ProcessUsage } from '../node-stats.ts';
import type { MachineFacts } from '../node-status.ts';

/** Kubernetes' names of the kernel's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm' };

export function readMachineFacts(): MachineFacts {
  const osRelease = readText('/etc/os-release');
  return {
    hostname: hostname(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    kernelVersion: release(),
    architecture: ARCHITECTURES[machine()] ?? machine(),
    machineId: readText('/etc/machine-id').trim(),
    bootId: readText('/proc/sys/kernel/random/boot_id').trim(),
  };
}

export function readOwnUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1_000, memoryBytes: process.memoryUsage.rss(), ageMs: process.uptime() * 1_000 };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not every system has it
  }
}
