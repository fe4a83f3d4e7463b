/** `podium store migrate`: from a live etcd into a store of Podium, and along with it until cut-over. */
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { migrate, type MigrateProgress, type MigrateResult } from '../etcd/migrate.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseOwnFlags } from './own-flags.ts';
import { openEndpoints } from './store-endpoints.ts';

export const MIGRATE_HELP = `Copy a live etcd's keys into a store of Podium, then follow it until you cut over.

Usage: podium store migrate --from-etcd <endpoints> --endpoints <endpoints> [flags]

  --from-etcd <endpoints>              the etcd to copy, host:port, separated by commas
  --endpoints <endpoints>              the store of Podium; empty
  --until-synced                       end once the target has all that the source had; else Ctrl-C ends it
  --overwrite                          the target is not empty: write over keys that the source has, too
  --from-cacert, --from-cert, --from-key <pem>   TLS to the etcd
  --cacert, --cert, --key <pem>                  TLS to the store of Podium

Kept: keys, values, leases by their ids with the time they have left, and the order in which keys were last written;
keys of one transaction of up to 128 operations stay in one. Not kept: the numbers of revisions and versions, what was
before the copy, users and roles. Watchers must begin anew.

Nobody else may write to the target meanwhile. To cut over: stop the writers of the etcd, wait for "0 behind", press
Ctrl-C, read that both hold the same, and start the writers on the target.

Example:
  podium store migrate --from-etcd 127.0.0.1:2379 --endpoints 127.0.0.1:12379
`;

const OPTIONS = {
  'from-etcd': { type: 'string' },
  endpoints: { type: 'string' },
  'until-synced': { type: 'boolean', default: false },
  overwrite: { type: 'boolean', default: false },
  'from-cacert': { type: 'string' },
  'from-cert': { type: 'string' },
  'from-key': { type: 'string' },
  cacert: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const PRINT_EVERY_MS = 1000;

export async function storeMigrate(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const flags = parseOwnFlags('podium store migrate', { args: argv, options: OPTIONS });
  if (flags.help) {
    process.stdout.write(MIGRATE_HELP);
    return EXIT_OK;
  }
  if (flags['from-etcd'] === undefined) throw new UserError('--from-etcd <endpoints> is missing: the etcd to copy');
  if (flags.endpoints === undefined) throw new UserError('--endpoints <endpoints> is missing: the store to copy into');
  const { endpoints, cacert, cert, key } = flags;
  const from = openEndpoints({ endpoints: flags['from-etcd'], cacert: flags['from-cacert'], cert: flags['from-cert'], key: flags['from-key'] });
  const to = openEndpoints({ endpoints, cacert, cert, key });
  try {
    const result = await migrate({
      source: from.client(),
      target: to.client(),
      clock: systemClock,
      signal,
      overwrite: flags.overwrite,
      untilSynced: flags['until-synced'],
      onProgress: progressPrinter(),
    });
    return printResult(result);
  } finally {
    from.close();
    to.close();
  }
}

/** A line that is written over each second on a terminal; in a file, one for each change of what is done. */
function progressPrinter(): (progress: MigrateProgress) => void {
  const isTerminal = process.stderr.isTTY === true;
  let printedAt = -Infinity;
  let printed = '';
  return (progress) => {
    const isDone = progress.kind === 'copying' ? progress.copied === progress.keys : progress.behind === 0;
    const now = systemClock.monotonic();
    const milestone = `${progress.kind} ${isDone}`;
    if (milestone === printed && (!isTerminal || now - printedAt < PRINT_EVERY_MS)) return;
    printedAt = now;
    printed = milestone;
    const line =
      progress.kind === 'copying'
        ? `copied ${progress.copied} of ${progress.keys} keys of revision ${progress.revision}`
        : `following: at revision ${progress.applied} of the source, ${progress.behind} behind${isTerminal ? '; Ctrl-C ends it and compares' : ''}`;
    process.stderr.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
    if (isTerminal && progress.kind === 'copying' && isDone) process.stderr.write('\n');
  };
}

function printResult({ keys, leases, revision, source, target }: MigrateResult): number {
  const isSame = source.count === target.count && source.hash === target.hash;
  const lines = [
    `copied ${keys} keys and ${leases} leases, then followed to revision ${revision} of the source`,
    `source  ${source.count} keys, sha256 ${source.hash}`,
    `target  ${target.count} keys, sha256 ${target.hash}`,
    isSame
      ? 'both hold the same pairs; the numbers of revisions and versions are the target\'s own'
      : 'THEY DIFFER: somebody else wrote to the target, or it was not empty',
  ];
  process.stdout.write(`${process.stderr.isTTY === true ? '\n' : ''}${lines.join('\n')}\n`);
  return isSame ? EXIT_OK : EXIT_FAILED;
}
