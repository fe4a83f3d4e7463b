/** Which module runs which part. Each is loaded alone, so that a part pays in time and memory for itself only. */
import { UserError } from '../base/errors.ts';

export async function runPart(name: string, argv: readonly string[]): Promise<number> {
  // The store and the API server have flags of their own to tell of.
  if (name !== 'store' && name !== 'apiserver' && argv.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(name === 'node' ? (await import('./node-flags.ts')).NODE_HELP : partHelp(name));
    return 0;
  }
  switch (name) {
    case 'store':
      return (await import('./store.ts')).run(argv);
    case 'apiserver':
      return (await import('./apiserver.ts')).run(argv);
    case 'scheduler':
      return (await import('./scheduler.ts')).run(argv);
    case 'controllers':
      return (await import('./controllers.ts')).run(argv);
    case 'node':
      return (await import('./node.ts')).run(argv);
    default:
      throw new UserError(`there is no part ${name}`);
  }
}

function partHelp(name: string): string {
  return `Run one part of a cluster by hand; \`podium up\` starts all of them, each with a file of its own.

Usage: podium ${name} --config FILE

  --config FILE   the part's configuration, as \`podium up\` writes it to <data-dir>/parts/

Example, beside a running cluster, after \`podium fault kill ${name === 'node' ? 'node-1' : name}\`:
  podium ${name} --config .podium/parts/${name === 'node' ? 'node-1' : name}.json
`;
}
