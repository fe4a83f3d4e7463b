/** `podium store`: a store member by etcd's flags. */
import { describeError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { parseStoreFlags, STORE_HELP } from '../store/flags.ts';
import { startStore } from '../store/server.ts';
import { aborted, stopSignal } from './world.ts';

export async function run(argv: readonly string[]): Promise<number> {
  // Before flags are read: its own are others.
  if (argv[0] === 'migrate') return (await import('../cli/store-migrate.ts')).storeMigrate(argv.slice(1), stopSignal());
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(STORE_HELP);
    return 0;
  }
  const flags = parseStoreFlags(argv);
  const log = createLog(flags.name, flags.logLevel);
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
