/** Which module runs which part. Each is loaded alone, so that a part pays in time and memory for itself only. */
import { UserError } from '../base/errors.ts';

export async function runPart(name: string, argv: readonly string[]): Promise<number> {
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
