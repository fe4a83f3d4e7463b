/** Which volumes a container sees where. Pure; where each volume lies is the shell's. */
import type { Resolved } from './environment.ts';
import type { AgentContainer, VolumeMount } from './pod-spec.ts';
import { isInside } from './volume-files.ts';

export interface PlannedMount {
  readonly volume: string;
  readonly containerPath: string;
  /** Inside the volume; empty: all of it. */
  readonly subPath: string;
  readonly readOnly: boolean;
  readonly propagation?: 'HostToContainer' | 'Bidirectional' | undefined;
}

/** Outer mounts first, so that an inner one appears within. `env`: what the container's variables are. */
export function planMounts(container: AgentContainer, env: Readonly<Record<string, string>>): Resolved<readonly PlannedMount[]> {
  const planned: PlannedMount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const subPath = subPathOf(container, mount, env);
    if (!subPath.ok) return subPath;
    const { name, mountPath, readOnly = false, mountPropagation } = mount;
    const propagation = mountPropagation === 'HostToContainer' || mountPropagation === 'Bidirectional' ? mountPropagation : undefined;
    planned.push({ volume: name, containerPath: mountPath, subPath: subPath.value, readOnly, propagation });
  }
  return { ok: true, value: planned.sort((a, b) => a.containerPath.length - b.containerPath.length) };
}

function subPathOf(container: AgentContainer, { name, subPath = '', subPathExpr = '' }: VolumeMount, env: Readonly<Record<string, string>>): Resolved<string> {
  const refused = (why: string): Resolved<string> => ({ ok: false, message: subPathFailed({ volume: name, container: container.name }, why) });
  const missing = subPathExpr === '' ? undefined : missingVariable(subPathExpr, env);
  if (missing !== undefined) return refused(`missing value for ${JSON.stringify(missing)}`);
  const wanted = subPathExpr === '' ? subPath : expandAll(subPathExpr, env);
  if (wanted === '' && subPathExpr === '') return { ok: true, value: '' };
  if (!isInside(wanted)) return refused(`${JSON.stringify(wanted)} is not a path inside the volume`);
  return { ok: true, value: wanted };
}

/** Kubernetes' words, and why. */
export function subPathFailed({ volume, container }: { readonly volume: string; readonly container: string }, why: string): string {
  return `failed to prepare subPath for volumeMount "${volume}" of container "${container}": ${why}`;
}

const REFERENCE = /\$\$|\$\(([^()]*)\)/g;

/** Unlike in a command, a variable that is not there is an error: a path must not be another one by accident. */
function missingVariable(text: string, env: Readonly<Record<string, string>>): string | undefined {
  return [...text.matchAll(REFERENCE)].map((match) => match[1]).find((name) => name !== undefined && !Object.hasOwn(env, name));
}

function expandAll(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(REFERENCE, (whole, name: string | undefined) => (name === undefined ? whole.slice(1) : (env[name] ?? '')));
}
