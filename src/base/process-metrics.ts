/** What Prometheus' clients tell of every process. */
import { readdirSync } from 'node:fs';
import type { Millis } from './clock.ts';
import type { Registry } from './prometheus.ts';

export function addProcessMetrics(registry: Registry, nowWallMs: Millis): void {
  const startedAtSeconds = nowWallMs / 1000 - process.uptime();
  registry.add('gauge', 'process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => startedAtSeconds);
  registry.add('gauge', 'process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  registry.add('counter', 'process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  registry.add('gauge', 'process_open_fds', 'Number of open file descriptors.', () => {
    try {
      return readdirSync('/proc/self/fd').length;
    } catch {
      return []; // not on this system
    }
  });
}
