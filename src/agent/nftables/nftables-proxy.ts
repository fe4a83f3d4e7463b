/**
 * The service proxy in the kernel: keeps a table of nftables, in one network namespace, as Services and EndpointSlices
 * say. Every change is one transaction of what has changed; while one is under way, further changes wait and become the
 * next. What is there at the start is taken over: clients that were remembered by an earlier agent still are.
 *
 * - A transaction that is refused (somebody has changed the table) is followed by one that makes all of it anew; if that
 *   is refused too, it is tried again, ever more rarely, and the reason is told with the rule.
 * - Every minute it looks whether the table is still as it should be, and makes it anew if not.
 * - `close()` leaves the table: connections go on while an agent is exchanged. `remove()` takes all away.
 */
import { createHash } from 'node:crypto';
import { sleep, type Clock, type Millis, type Timer } from '../../base/clock.ts';
import { AbortedError, describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Backoff } from '../../client/core/backoff.ts';
import type { EndpointSlice, Service } from '../../client/objects.ts';
import { parseFlows, staleDestinations, staleFlows, udpDestinations, type Destinations } from '../core/conntrack.ts';
import type { HostPort } from '../core/host-ports.ts';
import { describeRefusal, differingObjects, isTooLong, tableOfListing } from '../core/nft-output.ts';
import { TablePlanner, type ProxyNode } from '../core/nft-services.ts';
import { differenceUnits, packUnits, tableUnits, type Table, type Unit } from '../core/nft-table.ts';
import type { ServiceFollower } from '../service-follower.ts';
import type { RunTool } from './tool.ts';

export interface NftablesProxyOptions {
  readonly node: ProxyNode;
  /** Runs nft, conntrack, unshare and sh where the rules are to hold. */
  readonly run: RunTool;
  readonly clock: Clock;
  readonly log: Log;
  /** How often it looks whether somebody has changed the table. */
  readonly checkMs?: Millis;
}

export interface NftablesStats {
  transactions: number;
  /** Of them, such as make the whole table. */
  resyncs: number;
  /** Of those, such as could not take over what was there. */
  replacements: number;
  failures: number;
  /** Times that somebody else's changes were found. */
  foreignChanges: number;
  flowsForgotten: number;
  lastMs: Millis;
}

interface Wanted {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly hostPorts: readonly HostPort[];
}

/** Applies scripts, each behind its length, and prints the table. */
const SCRATCH = 'while read -r length; do head -c "$length" | nft -f - || exit 1; done; nft -s list table ip "$0"';
/** What a user without rights over the machine may send at once is 208 KiB of messages, about six times their text. */
const SCRIPT_CHARACTERS_FIRST = 24 * 1024;
const SCRIPT_CHARACTERS_MIN = 64;
const CHECK_MS = 60_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 30_000;
/** Deletions by one change: each is a process for all flows from one destination to one endpoint. What is left times out. */
const FORGOTTEN_MAX = 200;

export class NftablesProxy implements ServiceFollower {
  readonly stats: NftablesStats = { transactions: 0, resyncs: 0, replacements: 0, failures: 0, foreignChanges: 0, flowsForgotten: 0, lastMs: 0 };
  readonly #options: NftablesProxyOptions;
  readonly #planner: TablePlanner;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS });
  #wanted: Wanted | undefined;
  /** What was tried last. */
  #latest: Wanted | undefined;
  /** What the kernel has; undefined: not known. */
  #applied: Table | undefined;
  /** Of which UDP flows are known to fit. */
  #flowsOf: Destinations | undefined;
  #isCheckDue = false;
  /** Of a listing that was found right, if nothing was applied since. */
  #rightListing: string | undefined;
  /** Of one transaction, as far as it is known. */
  #scriptCharactersMax = Infinity;
  #loop: Promise<void> | undefined;
  #checkTimer: Timer | undefined;

  constructor(options: NftablesProxyOptions) {
    this.#options = options;
    this.#planner = new TablePlanner(options.node);
    this.#armCheck();
  }

  update(services: readonly Service[], slices: readonly EndpointSlice[], hostPorts: readonly HostPort[] = []): void {
    this.#wanted = { services, slices, hostPorts };
    this.#wake();
  }

  /** Resolves when there is nothing left to do: all is applied, or it was closed. */
  async settled(): Promise<void> {
    while (this.#loop !== undefined) await this.#loop;
  }

  /** Looks now whether the table is as it should be. */
  check(): void {
    this.#isCheckDue = true;
    this.#wake();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#checkTimer?.cancel();
    await this.settled();
  }

  /** Closes, and takes the table away. */
  async remove(): Promise<void> {
    await this.close();
    const { tableName } = this.#options.node;
    await this.#transact([[`add table ip ${tableName}`, `delete table ip ${tableName}`]]);
    this.#applied = undefined;
  }

  #armCheck(): void {
    this.#checkTimer = this.#options.clock.setTimer(this.#options.checkMs ?? CHECK_MS, () => {
      this.check();
      this.#armCheck();
    });
  }

  #wake(): void {
    if (this.#loop !== undefined || this.#abort.signal.aborted) return;
    this.#loop = this.#work().finally(() => {
      this.#loop = undefined;
      // What came between the loop's last look and its end.
      if (this.#hasWork) this.#wake();
    });
  }

  get #hasWork(): boolean {
    return !this.#abort.signal.aborted && (this.#wanted !== undefined || (this.#isCheckDue && this.#applied !== undefined));
  }

  async #work(): Promise<void> {
    const { clock, log } = this.#options;
    while (this.#hasWork) {
      const wanted = this.#wanted;
      this.#latest = wanted ?? this.#latest;
      this.#wanted = undefined;
      try {
        if (wanted !== undefined) await this.#apply(this.#planner.plan(wanted.services, wanted.slices, wanted.hostPorts));
        else await this.#checkTable();
        this.#backoff.forget('');
      } catch (error) {
        this.stats.failures++;
        // A look that found something and could not mend it has left nothing that was known.
        this.#wanted ??= wanted ?? this.#latest;
        const failures = this.#backoff.failures('');
        log[failures === 0 ? 'warn' : 'debug']({ error: describeError(error) }, 'nftables: rules not applied');
        await sleep(clock, this.#backoff.next(''), this.#abort.signal).catch((reason: unknown) => {
          if (!(reason instanceof AbortedError)) throw reason;
        });
      }
    }
  }

  async #apply(table: Table): Promise<void> {
    const before = this.#applied;
    if (before === undefined) await this.#resync(table);
    else if (!(await this.#applyDifference(before, table))) await this.#resync(table);
    this.#applied = table;
    await this.#forgetStaleFlows(table);
  }

  async #applyDifference(before: Table, table: Table): Promise<boolean> {
    const units = differenceUnits(before, table);
    if (units.length === 0) return true;
    this.#applied = undefined;
    try {
      await this.#transact(units);
      return true;
    } catch (error) {
      this.#options.log.warn({ error: describeError(error) }, 'nftables: the table is not as it was left; made anew');
      return false;
    }
  }

  async #resync(table: Table): Promise<void> {
    this.stats.resyncs++;
    const listed = await this.#options.run(['nft', '-s', 'list', 'table', 'ip', table.name]);
    if (listed.code !== 0) return this.#transact(tableUnits(table));
    try {
      await this.#transact(differenceUnits(tableOfListing(table.name, listed.stdout), table));
    } catch (error) {
      this.stats.replacements++;
      // Of another version, perhaps, with other types. What clients were remembered for is lost by this.
      this.#options.log.debug({ error: describeError(error) }, 'nftables: the table cannot be taken over; replaced');
      await this.#transact(tableUnits(table));
    }
  }

  /** One transaction; or, where the kernel does not take so much at once from this user, several. */
  async #transact(units: readonly Unit[]): Promise<void> {
    const { clock, log } = this.#options;
    const startedAtMs = clock.monotonic();
    this.#rightListing = undefined;
    for (let scripts = packUnits(units, this.#scriptCharactersMax); ; scripts = packUnits(units, this.#scriptCharactersMax)) {
      if (await this.#runAll(scripts)) break;
      log.debug({ characters: this.#scriptCharactersMax }, 'nftables: more than the kernel takes at once; in parts');
    }
    this.stats.transactions++;
    this.stats.lastMs = clock.monotonic() - startedAtMs;
  }

  /** False: the first one was too long, and nothing was applied; the next ones shall be shorter. */
  async #runAll(scripts: readonly string[]): Promise<boolean> {
    for (const [at, script] of scripts.entries()) {
      const { code, stderr } = await this.#options.run(['nft', '-f', '-'], script);
      if (code === 0) continue;
      if (isTooLong(stderr)) {
        this.#scriptCharactersMax = Math.floor(Math.min(SCRIPT_CHARACTERS_FIRST, script.length / 2));
        if (at === 0 && this.#scriptCharactersMax >= SCRIPT_CHARACTERS_MIN) return false;
      }
      throw new Error(`nft: ${describeRefusal(stderr, script)}`);
    }
    return true;
  }

  /** By comparison with what nft makes of the same table in a network namespace of its own. */
  async #checkTable(): Promise<void> {
    this.#isCheckDue = false;
    const table = this.#applied;
    if (table === undefined) return;
    const { run, log } = this.#options;
    const listed = await run(['nft', '-s', 'list', 'table', 'ip', table.name]);
    const digest = createHash('sha256').update(listed.stdout).digest('hex');
    if (listed.code === 0 && digest === this.#rightListing) return;
    const scripts = packUnits(tableUnits(table), this.#scriptCharactersMax).map((script) => `${script.length}\n${script}`);
    const scratch = await run(['unshare', '--net', 'sh', '-c', SCRATCH, table.name], scripts.join(''));
    // Where no namespace can be made nobody can tell, and it is made anew.
    const differing = listed.code !== 0 || scratch.code !== 0 ? ['all'] : differingObjects(listed.stdout, scratch.stdout);
    if (differing.length === 0) {
      this.#rightListing = digest;
      return;
    }
    if (scratch.code === 0) {
      this.stats.foreignChanges++;
      log.warn({ table: table.name, differing: differing.slice(0, 10) }, 'nftables: somebody has changed the table; made anew');
    }
    this.#applied = undefined;
    await this.#resync(table);
    this.#applied = table;
  }

  /** What cannot be forgotten ends by its timeout: no reason to apply the rules again. */
  async #forgetStaleFlows(table: Table): Promise<void> {
    const after = udpDestinations(table);
    const keys = staleDestinations(this.#flowsOf, after);
    this.#flowsOf = after;
    if (keys.length === 0) return;
    const { run, log } = this.#options;
    const listed = await run(['conntrack', '-L', '-p', 'udp']);
    if (listed.code !== 0) {
      log.warn({ error: listed.stderr.trim() }, 'nftables: flows of UDP cannot be listed');
      return;
    }
    const stale = staleFlows(parseFlows(listed.stdout), keys, after);
    for (const { address, port, replyAddress, replyPort } of stale.slice(0, FORGOTTEN_MAX)) {
      const flow = ['-d', address, '--dport', String(port), '--reply-src', replyAddress, '--reply-port-src', String(replyPort)];
      // It fails where the flow has ended meanwhile.
      const { code } = await run(['conntrack', '-D', '-p', 'udp', ...flow]);
      if (code === 0) this.stats.flowsForgotten++;
    }
  }
}
