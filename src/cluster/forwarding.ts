/**
 * Forwarding of the machine (`ip_forward`), which pods' way out takes as root (agent/runtime/linux/egress.ts). It is one
 * setting for all clusters of a machine and for whatever else runs there, so:
 *
 *   - who turns it on, and found it off, leaves a mark: an empty table of nftables, which is the kernel's as the setting is,
 *     and gone with it when the machine starts anew;
 *   - who takes away the last way out of all clusters here turns it off again, if there is that mark;
 *   - unless somebody else forwards by now (a table that is not ours filters or translates what passes through): then it
 *     stays on, and counts as theirs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { findTool } from './isolation.ts';

/** So begins the name of what a node's way out has in the machine's network (`egressNames`). */
export const EGRESS_TABLE_PREFIX = 'podium-egress-';
const MARK = 'podium-forwarding';
const SETTING = '/proc/sys/net/ipv4/ip_forward';
const TIMEOUT_MS = 5_000;

/** The mark comes first: a crash in between leaves one that says the truth. */
export function turnOnForwarding(): void {
  if (readFileSync(SETTING, 'utf8').trim() !== '0') return;
  nft(`add table ip ${MARK}\n`);
  writeFileSync(SETTING, '1');
}

/** Called when a node's way out was taken away. */
export function restoreForwarding(): void {
  const rules = nft('list ruleset\n');
  if (rules === undefined) return;
  const { isMarked, hasWayOut, isOthers } = readForwarding(rules);
  if (!isMarked || hasWayOut) return;
  if (!isOthers) writeFileSync(SETTING, '0');
  nft(`delete table ip ${MARK}\n`);
}

export interface ForwardingState {
  readonly isMarked: boolean;
  readonly hasWayOut: boolean;
  readonly isOthers: boolean;
}

/** Of what `nft list ruleset` prints. */
export function readForwarding(rules: string): ForwardingState {
  let table = '';
  let hasWayOut = false;
  let isMarked = false;
  let isOthers = false;
  for (const line of rules.split('\n')) {
    table = /^table \w+ (\S+) \{/.exec(line)?.[1] ?? table;
    if (table.startsWith(EGRESS_TABLE_PREFIX)) hasWayOut = true;
    else if (table === MARK) isMarked = true;
    else if (/\bhook (?:forward|postrouting)\b/.test(line)) isOthers = true;
  }
  return { isMarked, hasWayOut, isOthers };
}

/** Undefined: it did not work. */
function nft(script: string): string | undefined {
  const program = findTool('nft');
  if (program === undefined) return undefined;
  const { status, stdout } = spawnSync(program, ['-f', '-'], { input: script, encoding: 'utf8', timeout: TIMEOUT_MS });
  return status === 0 ? stdout : undefined;
}
