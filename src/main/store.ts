/** `podium store`: a store member by etcd's flags. */
import { existsSync } from 'node:fs';
import tls from 'node:tls';
import { parseArgs } from 'node:util';
import { describeError, UserError } from '../base/errors.ts';
import { FileDisk } from '../base/file-disk.ts';
import { createLog } from '../base/log.ts';
import { configFileOf, readConfigFile } from '../store/config-file.ts';
import { openProcessFaults, type ProcessFaults } from '../store/faults/process-faults.ts';
import { parseStoreFlags, storeHelp, type StoreFlags } from '../store/flags.ts';
import { MemberRemovedError } from '../store/membership/membership.ts';
import { levelBackends } from '../store/mvcc/level-backend.ts';
import { describeRecovery, recover } from '../store/recover.ts';
import { ETCD_VERSION } from '../store/rpc/maintenance.ts';
import { startStore } from '../store/server.ts';
import { readVersion } from './version.ts';
import { aborted, stopSignal } from './world.ts';

export async function run(argv: readonly string[]): Promise<number> {
  // Before flags are read: they have others of their own.
  if (argv[0] === 'recover') return recoverMember(argv.slice(1));
  if (argv[0] === 'snapshot') return (await import('./store-snapshot.ts')).run(argv.slice(1));
  if (argv[0] === 'migrate') return (await import('../cli/store-migrate.ts')).storeMigrate(argv.slice(1), stopSignal());
  if (argv[0] === 'top') return (await import('../cli/store-top.ts')).storeTop(argv.slice(1), stopSignal());
  if (argv.some((arg) => /^(?:-h|--?help)$/.test(arg))) {
    process.stdout.write(storeHelp());
    return 0;
  }
  if (argv.some((arg) => /^--?version$/.test(arg))) {
    // Clients and scripts that look for an etcd read the first line.
    process.stdout.write(`etcd Version: ${ETCD_VERSION}\nPodium Version: ${readVersion()}\nNode.js: ${process.version}\n`);
    return 0;
  }
  const path = configFileOf(argv, process.env);
  const file = path === undefined ? {} : { file: await readConfigFile(path) };
  const flags = parseStoreFlags(argv, { env: process.env, ...file });
  for (const notice of flags.notices) process.stderr.write(`podium store: ${notice}\n`);
  // For every socket of this process: grpc-js takes what Node.js takes by default.
  tls.DEFAULT_MIN_VERSION = flags.tlsMinVersion;
  tls.DEFAULT_MAX_VERSION = flags.tlsMaxVersion;
  const log = createLog(flags.name, flags.logLevel, flags.logOutputs);
  const signal = stopSignal();
  let failed: (error: unknown) => void = () => {};
  const failure = new Promise<unknown>((resolve) => (failed = resolve));
  let isStarted = false;
  let faults: ProcessFaults | undefined;
  try {
    faults = await faultsOf(flags);
    const store = await startStore(flags, failed, faults?.hooks);
    isStarted = true;
    const error = await Promise.race([aborted(signal), failure]);
    if (signal.aborted) {
      await store.stop();
      faults?.close();
      return 0;
    }
    throw error;
  } catch (error) {
    // As etcd ends: a supervisor that starts what failed shall not start this again.
    if (error instanceof MemberRemovedError && isStarted) {
      log.error({ error: error.message }, 'store: removed from the cluster');
      return 0;
    }
    // One line that says what and what to do: the supervisor shows it to whoever started the cluster.
    log.error({ error: describeError(error) }, isStarted ? 'store: stopped by itself' : 'store: cannot start');
    return 1;
  }
}

async function faultsOf({ faultHooks }: StoreFlags): Promise<ProcessFaults | undefined> {
  const armed = process.env['PODIUM_FAULTS'] ?? '';
  if (faultHooks !== undefined) return openProcessFaults(faultHooks.address, armed);
  if (armed !== '') process.stderr.write('podium store: PODIUM_FAULTS has no effect without --experimental-fault-hooks\n');
  return undefined;
}

async function recoverMember(argv: readonly string[]): Promise<number> {
  const dataDir = recoverDataDir(argv);
  try {
    const recovery = await recover({ disk: new FileDisk(dataDir), backends: levelBackends(dataDir), log: createLog('recover', 'warn') });
    process.stdout.write(describeRecovery(recovery));
    return 0;
  } catch (error) {
    process.stderr.write(`podium store recover: ${dataDir}: ${describeError(error)}\n`);
    return 1;
  }
}

function recoverDataDir(argv: readonly string[]): string {
  const usage = 'usage: podium store recover --data-dir <dir>, with the data of a member that is stopped';
  let dataDir: string | undefined;
  try {
    dataDir = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } }).values['data-dir'];
  } catch (cause) {
    throw new UserError(usage, { cause });
  }
  if (dataDir === undefined) throw new UserError(usage);
  if (!existsSync(dataDir)) throw new UserError(`there is no data directory ${dataDir}`);
  return dataDir;
}
