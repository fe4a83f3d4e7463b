/**
 * Which settings of the kernel a pod may ask for: those that count within its own namespaces and take nothing from others,
 * Kubernetes' list of safe ones. All others are forbidden here, since no node has been told to allow more.
 */
import type { AgentPod } from './pod-spec.ts';

const SAFE: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

/** Why the pod cannot run here, in the kubelet's words. */
export function forbiddenSysctl({ spec }: AgentPod): string | undefined {
  for (const { name: written } of spec.securityContext?.sysctls ?? []) {
    const name = written.replaceAll('/', '.');
    const isOfNetwork = name.startsWith('net.');
    if (!SAFE.has(name)) return `forbidden sysctl: "${written}" not allowlisted`;
    if (isOfNetwork && spec.hostNetwork === true) return `forbidden sysctl: "${written}" not allowed with host net enabled`;
    if (!isOfNetwork && spec.hostIPC === true) return `forbidden sysctl: "${written}" not allowed with host ipc enabled`;
  }
  return undefined;
}
