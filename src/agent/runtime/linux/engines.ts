/** Which of this machine's ways to start a container is taken: the first that there is. */
import { spawnSync } from 'node:child_process';
import { UserError } from '../../../base/errors.ts';
import { findTool } from '../../../cluster/isolation.ts';
import { UtilLinuxEngine, type Engine, type EngineWorld } from './engine.ts';
import { OciEngine } from './oci-engine.ts';

const RUNTIMES = ['crun', 'runc'] as const;

/** `wanted`: no other will do. */
export function chooseEngine(world: EngineWorld, wanted: string | undefined): Engine {
  // An ordinary user has no cgroups, and both are as good to him; this one makes do with what every machine has.
  if (world.machine.inUserNamespace && wanted === undefined) return utilLinux(world);
  for (const name of RUNTIMES) {
    if (wanted !== undefined && wanted !== name) continue;
    // runc manages cgroups itself; that it leaves ours alone is proven with version 1 alone.
    if (name === 'runc' && world.cgroups?.version !== 1) continue;
    const program = findTool(name);
    const version = program === undefined ? undefined : versionOf(program);
    if (program !== undefined && version !== undefined) return new OciEngine(world, program, version);
  }
  if (wanted !== undefined && wanted !== 'util-linux') throw new UserError(`there is no ${wanted} here to start containers with`);
  return utilLinux(world);
}

/** For images that have no tools of ours in them; undefined: this machine has no container runtime. */
export function chooseImageEngine(world: EngineWorld, engine: Engine): Engine | undefined {
  if (engine instanceof OciEngine) return engine;
  const program = findTool('crun');
  const version = program === undefined ? undefined : versionOf(program);
  return program === undefined || version === undefined ? undefined : new OciEngine(world, program, version);
}

function utilLinux(world: EngineWorld): Engine {
  return new UtilLinuxEngine(world, versionOf(world.machine.tools.unshare) ?? '');
}

/** Undefined: it does not run. */
function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? /\d[\w.]*/.exec(stdout)?.[0] : undefined;
}
