/**
 * Gives a node's pods a way out of the machine (core/egress-plan.ts), or says why there is none. It outlives the agent like
 * the node's network does, and is found again by `egress.json`; `podium down` takes away what is not the node's own network
 * (the table on the machine) by `leftovers.json`.
 *
 * Forwarding of the machine is turned on for it, as every container engine does. Whether it was off before is noted in the
 * kernel (src/cluster/forwarding.ts), and the last node of the machine turns it off again.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync, closeSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, type Clock } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { turnOnForwarding } from '../../../cluster/forwarding.ts';
import { findTool } from '../../../cluster/isolation.ts';
import { isAlive, sendSignal, startTimeOf, type ProcessIdentity } from '../process-table.ts';
import {
  copierCommand,
  egressKinds,
  egressNames,
  EGRESS_LINK,
  freePair,
  machineEgressRules,
  machineLinkBatch,
  NODE_TABLE,
  nodeEgressRules,
  nodeLinkBatch,
  tableRemoval,
  type EgressChoice,
  type EgressKind,
  type EgressPair,
} from './core/egress-plan.ts';
import { readJson, readText, writeJson } from '../state-files.ts';
import type { Machine } from './machine.ts';
import type { NodeSpace } from './node-space.ts';
import { mustRun, runCommand } from '../run-command.ts';

export interface EgressOptions {
  readonly choice: EgressChoice;
  /** The node's own directory. */
  readonly root: string;
  readonly space: NodeSpace;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly log: Log;
}

/** What `egress.json` holds. */
interface EgressRecord {
  readonly kind: EgressKind;
  /** Of the namespace that it leads out of. */
  readonly holder: ProcessIdentity;
  readonly pair?: EgressPair;
  /** The shell around pasta or slirp4netns, both of one process group. */
  readonly copier?: ProcessIdentity;
}

const COPIER_START_MS = 5_000;
const POLL_MS = 20;

export class Egress {
  readonly #options: EgressOptions;
  readonly #link: string;
  readonly #table: string;
  #record: EgressRecord | undefined;
  #whyNot = 'not asked for';

  constructor(options: EgressOptions) {
    this.#options = options;
    const { link, table } = egressNames(createHash('sha256').update(options.root).digest('hex').slice(0, 8));
    this.#link = link;
    this.#table = table;
  }

  get isOpen(): boolean {
    return this.#record !== undefined;
  }

  /** It was there, and is no more. What takes a process to find out, `open` finds out. */
  get isLost(): boolean {
    if (this.#record === undefined) return false;
    const { kind, copier } = this.#record;
    return (copier !== undefined && !isAlive(copier)) || (kind === 'masquerade' && !readText('/proc/net/dev').includes(`${this.#link}:`));
  }

  /** For people. */
  get detail(): string {
    return this.#record === undefined ? `no way out of the machine (${this.#whyNot})` : `a way out of the machine by ${this.#record.kind}`;
  }

  /** Not to be taken for a stray, also before `open`. */
  get process(): ProcessIdentity | undefined {
    return (this.#record ?? readJson<EgressRecord>(join(this.#options.root, 'egress.json')))?.copier;
  }

  /** Tables of nftables in the machine's network that are this node's. */
  get tables(): readonly string[] {
    const { choice, machine } = this.#options;
    return egressKinds(choice, !machine.inUserNamespace).includes('masquerade') ? [this.#table] : [];
  }

  /** Once the node's network is there; what still works is left as it is. What cannot be had is told in `detail`. */
  async open(): Promise<void> {
    const { choice, machine, root, log } = this.#options;
    const kinds = egressKinds(choice, !machine.inUserNamespace);
    const known = readJson<EgressRecord>(join(root, 'egress.json'));
    if (known !== undefined && kinds.includes(known.kind) && (await this.#works(known))) {
      this.#record = known;
      return;
    }
    if (known !== undefined) await this.#remove(known);
    const failures: string[] = [];
    for (const kind of kinds) {
      try {
        this.#record = await (kind === 'masquerade' ? this.#masquerade() : this.#copy(kind));
        await writeJson(join(root, 'egress.json'), this.#record);
        return;
      } catch (error) {
        failures.push(`${kind}: ${describeError(error)}`);
      }
    }
    const whyNot = failures.length === 0 ? 'not asked for' : failures.join('; ');
    if (failures.length > 0 && whyNot !== this.#whyNot) log.info({ why: whyNot }, 'linux runtime: pods have no way out of this machine');
    this.#whyNot = whyNot;
  }

  /** The pods' network is left without a way out. */
  async #remove({ kind, copier }: EgressRecord): Promise<void> {
    const { root } = this.#options;
    this.#record = undefined;
    if (copier !== undefined && isAlive(copier)) sendSignal(-copier.pid, 'SIGKILL');
    if (kind === 'masquerade') {
      await this.#ip(['link', 'del', this.#link]);
      await this.#nft(tableRemoval(this.#table), false);
    }
    await rm(join(root, 'egress.json'), { force: true });
  }

  async #works({ holder, kind, copier }: EgressRecord): Promise<boolean> {
    const { space } = this.#options;
    const isSame = holder.pid === space.holder.pid && holder.startTime === space.holder.startTime;
    if (!isSame || (copier !== undefined && !isAlive(copier)) || !(await this.#isLinked())) return false;
    return (await this.#hasTable(NODE_TABLE, true)) && (kind !== 'masquerade' || (await this.#hasTable(this.#table, false)));
  }

  async #hasTable(table: string, isInside: boolean): Promise<boolean> {
    return (await this.#run(['nft', 'list', 'table', 'ip', table], isInside)).exitCode === 0;
  }

  async #isLinked(): Promise<boolean> {
    const { machine } = this.#options;
    const { exitCode, output } = await this.#run([machine.tools.ip, '-o', '-4', 'addr', 'show', 'dev', EGRESS_LINK], true);
    return exitCode === 0 && output.includes('169.254.');
  }

  // --- as root

  async #masquerade(): Promise<EgressRecord> {
    const { space, machine, clock } = this.#options;
    if (machine.inUserNamespace) throw new Error('it needs root');
    const { holder } = space;
    const listed = await this.#ip(['-o', '-4', 'addr']);
    const pair = freePair(this.#link.slice(-8), new Set(listed.match(/169\.254\.\d+\.\d+/g) ?? []));
    if (pair === undefined) throw new Error('every address for links is taken');
    await this.#ip(['link', 'del', this.#link]); // of a node that was lost
    await this.#mustNft(nodeEgressRules(), true);
    await this.#mustNft(machineEgressRules(this.#table, this.#link, pair), false);
    try {
      const env = space.environment;
      await mustRun([machine.tools.ip, '-batch', '-'], { clock, env, input: machineLinkBatch(this.#link, pair, holder.pid), what: 'the link out of the node' });
      await space.batch(holder.pid, nodeLinkBatch(pair), 'the link out of the node');
      turnOnForwarding();
    } catch (error) {
      await this.#ip(['link', 'del', this.#link]);
      await this.#nft(tableRemoval(this.#table), false);
      throw error;
    }
    return { kind: 'masquerade', holder, pair };
  }

  // --- as an ordinary user

  async #copy(kind: 'pasta' | 'slirp4netns'): Promise<EgressRecord> {
    const { space, machine, clock, root } = this.#options;
    const program = findTool(kind);
    if (program === undefined) throw new Error('not installed');
    await this.#mustNft(nodeEgressRules(), true);
    const logFile = join(root, 'egress.log');
    writeFileSync(logFile, '');
    const output = openSync(logFile, 'a');
    // The shell stays: it carries the node's mark, which a program that hides from its own user does not show.
    const command = ['-c', '"$@"; exit $?', 'sh', ...copierCommand(kind, program, space.holder.pid)];
    const child = spawn(machine.tools.sh, command, { detached: true, stdio: ['ignore', output, output], env: space.environment, cwd: '/' });
    closeSync(output);
    child.unref();
    child.on('error', () => undefined); // then it has no pid
    const copier = { pid: child.pid ?? 0, startTime: startTimeOf(child.pid ?? 0) ?? '' };
    for (const startMs = clock.monotonic(); clock.monotonic() - startMs < COPIER_START_MS; await sleep(clock, POLL_MS)) {
      if (!isAlive(copier)) throw new Error(lastLine(readText(logFile)) || 'it ended at once');
      if (await this.#isLinked()) return { kind, holder: space.holder, copier };
    }
    sendSignal(-copier.pid, 'SIGKILL');
    throw new Error(`no link within ${COPIER_START_MS} ms: ${lastLine(readText(logFile))}`);
  }

  // --- tools

  #run(command: readonly string[], isInside: boolean, input = '') {
    const { space, clock } = this.#options;
    return runCommand(isInside ? space.inside(command) : command, { clock, env: space.environment, input });
  }

  /** Whatever comes of it. */
  async #ip(args: readonly string[]): Promise<string> {
    return (await this.#run([this.#options.machine.tools.ip, ...args], false)).output;
  }

  #nft(script: string, isInside: boolean) {
    return this.#run(['nft', '-f', '-'], isInside, script);
  }

  async #mustNft(script: string, isInside: boolean): Promise<void> {
    const { exitCode, output } = await this.#nft(script, isInside);
    if (exitCode !== 0) throw new Error(`nft: ${output.trim().split('\n')[0] ?? ''}`);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
