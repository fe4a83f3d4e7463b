/** `podium store`: a store member by etcd's flags. */
import tls from 'node:tls';
import { describeError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { configFileOf, readConfigFile } from '../store/config-file.ts';
import { parseStoreFlags, storeHelp } from '../store/flags.ts';
import { ETCD_VERSION } from '../store/rpc/maintenance.ts';
import { startStore } from '../store/server.ts';
import { readVersion } from './version.ts';
import { aborted, stopSignal } from './world.ts';

export async function run(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'snapshot') return (await import('./store-snapshot.ts')).run(argv.slice(1));
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
  try {
    const store = await startStore(flags, failed);
    isStarted = true;
    const error = await Promise.race([aborted(signal), failure]);
    if (signal.aborted) {
      await store.stop();
      return 0;
    }
    throw error;
  } catch (error) {
    // One line that says what and what to do: the supervisor shows it to whoever started the cluster.
    log.error({ error: describeError(error) }, isStarted ? 'store: stopped by itself' : 'store: cannot start');
    return 1;
  }
}
