/**
 * What a node has made in the kernel that is no one's: compared are what it owns by its records and what there is with its
 * mark. A crash, a start that was given up, somebody who killed a process in between: all of them leave something of this.
 *
 *   process     marked by PODIUM_NODE in its environment, or descends from such a one; owned with all that descend from it
 *   cgroup      <node>/<pod>, <node>/<pod>/<container>-<attempt>
 *   link        the node's end of a pair; the other end is the pod's, and goes with the pod's namespace
 *   state       what a container runtime remembers of a container that ran
 *
 * Directories are not among them: they are what the records are in, and go with those. Mounts are in namespaces, and go with
 * processes.
 *
 * What a kill of the agent after each step of a pod's life leaves, and who takes it up:
 *
 *   an address is noted                   a number that is not used                              nobody: the next one is taken
 *   the directory of the pod              one without sandbox.json                               `removeCutOff`
 *   its cgroup                            of a pod that is not known                             here
 *   the pause process, its link           marked, of no sandbox; the link goes with it           here
 *   sandbox.json                          a sandbox: it is held, or not (`isHeld`: by a living process, in the network that
 *                                         the node has now)                                      `endUnheld`
 *   the container's directory             one without container.json                             `removeCutOff`
 *   container.json                        one that was not started: removed or made anew by the agent
 *   its cgroup, its files                 the same
 *   the supervisor                        it goes on by itself: adopted by DIR/supervisor, DIR/pid, DIR/exit
 *   its end is noted                      a cgroup and a state of one that has exited            here
 *   sandbox.json says stopped             containers that still run                              `endUnheld`
 *   container.json, sandbox.json are gone a directory                                            `removeCutOff`
 *   another holder of the network         node.json names it, or it is marked and nobody's       here
 */
export interface Made {
  /** Of all processes of the machine, by pid: the parent's. */
  readonly parents: ReadonlyMap<number, number>;
  readonly marked: readonly number[];
  /** The cgroups of pods, each with those of its containers. */
  readonly cgroups: ReadonlyMap<string, readonly string[]>;
  readonly links: readonly string[];
  readonly states: readonly string[];
}

export interface Owned {
  readonly pids: readonly number[];
  /** Uids. */
  readonly pods: ReadonlySet<string>;
  /** Of containers, `<pod>/<container>-<attempt>`. */
  readonly cgroups: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
  readonly states: ReadonlySet<string>;
}

/** In the order in which they can be removed. */
export interface Leftovers {
  readonly pids: readonly number[];
  readonly cgroups: readonly string[];
  readonly links: readonly string[];
  readonly states: readonly string[];
}

export function leftoversOf(made: Made, owned: Owned): Leftovers {
  const cgroups = [...made.cgroups].flatMap(([pod, parts]) => {
    return owned.pods.has(pod) ? parts.map((part) => `${pod}/${part}`).filter((path) => !owned.cgroups.has(path)) : [pod];
  });
  return {
    pids: strayPids(made, owned.pids),
    cgroups,
    links: made.links.filter((link) => !owned.links.has(link)),
    states: made.states.filter((key) => !owned.states.has(key)),
  };
}

/** `own` and all that descends from them are kept; all else that is marked goes, with what descends from it. */
export function strayPids({ parents, marked }: Pick<Made, 'parents' | 'marked'>, own: readonly number[]): readonly number[] {
  const kept = descendants(parents, own);
  const strays = descendants(parents, marked.filter((pid) => !kept.has(pid)));
  return [...strays].filter((pid) => !kept.has(pid)).sort((a, b) => a - b);
}

/** With the roots themselves. */
function descendants(parents: ReadonlyMap<number, number>, roots: readonly number[]): ReadonlySet<number> {
  const found = new Set(roots);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents) {
      if (found.has(pid) || !found.has(parent)) continue;
      found.add(pid);
      grew = true;
    }
  }
  return found;
}
