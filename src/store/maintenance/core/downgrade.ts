/**
 * etcd's rules for going back one minor version. Podium's data does not depend on the version that it reports, so that
 * there is nothing to convert: what is kept is that a downgrade was announced, which Status shows and tools wait for.
 */
import type { StoreErrorCode } from '../../rpc/errors.ts';

export interface DowngradeState {
  readonly enabled: boolean;
  /** `3.6.0`; empty when none is under way. */
  readonly targetVersion: string;
}

export const NO_DOWNGRADE: DowngradeState = { enabled: false, targetVersion: '' };

export type DowngradeTarget =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly code: StoreErrorCode };

interface Version {
  readonly major: number;
  readonly minor: number;
}

const INT64_MAX = 2n ** 63n - 1n;

/** Only one minor down from the cluster's version; a patch level is not looked at. */
export function downgradeTarget(asked: string, clusterVersion: string, state: DowngradeState): DowngradeTarget {
  const target = parseVersion(asked);
  if (target === undefined) return { ok: false, code: 'wrong-downgrade-version-format' };
  const cluster = parseVersion(clusterVersion);
  if (cluster === undefined) return { ok: false, code: 'cluster-version-unavailable' };
  if (target.major !== cluster.major || target.minor !== cluster.minor - 1)
    return { ok: false, code: 'invalid-downgrade-target-version' };
  if (state.enabled) return { ok: false, code: 'downgrade-in-process' };
  return { ok: true, version: `${target.major}.${target.minor}.0` };
}

/** `3.6.1` or `3.6`, and what semantic versions may have behind it, empty too; numbers as large as etcd can read them. */
function parseVersion(text: string): Version | undefined {
  const [, ...numbers] = /^(\d+)\.(\d+)(?:\.(\d+)(?:-[0-9A-Za-z.-]*)?(?:\+[0-9A-Za-z.-]*)?)?$/.exec(text) ?? [];
  const [major, minor, patch = '0'] = numbers;
  if (major === undefined || [major, minor!, patch].some((number) => BigInt(number) > INT64_MAX)) return undefined;
  return { major: Number(major), minor: Number(minor) };
}
