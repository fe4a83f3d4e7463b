/** Which of this machine's ways to start a container is taken: the first that does it when it is tried. */
import { spawnSync } from 'node:child_process';
import { UserError } from '../../../base/errors.ts';
import { UtilLinuxEngine, type Engine, type EngineWorld } from './engine.ts';

export function chooseEngine(world: EngineWorld, wanted: string | undefined): Engine {
  if (wanted !== undefined && wanted !== 'util-linux') throw new UserError(`there is no ${wanted} here that starts containers`);
  const { stdout } = spawnSync(world.machine.tools.unshare, ['--version'], { encoding: 'utf8' });
  return new UtilLinuxEngine(world, /\d[\d.]*/.exec(stdout)?.[0] ?? '');
}
