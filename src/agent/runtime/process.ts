/**
 * The process runtime: a container is a child process of this machine, a pod is an address of 127.0.0.0/8 and a private
 * directory. No isolation, no images, no limits, and it says so; it needs nothing, for any Linux user. The network
 * namespace is the machine's, so `localhost` is common to all pods, and a program must listen on its `POD_IP` (Node
 * programs are pinned to it by a preload).
 *
 *   ROOT/pin.cjs and what every runtime of this machine keeps there (local-runtime.ts)
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/   container.json pid exit log log.1 log.idx root/ (working directory, mounts)
 *
 * Terminals are made by util-linux' `script` (process-terminal.ts); without it a container that wants one cannot start.
 */
import { join } from 'node:path';
import { sleep } from '../../base/clock.ts';
import { UserError } from '../../base/errors.ts';
import { parseCidr } from '../core/address-pool.ts';
import { LocalRuntime, type LocalRuntimeOptions, type SandboxEntry, type SandboxLife } from './local-runtime.ts';
import { ProcessContainer, type ProcessHost, type ProcessPod } from './process-container.ts';
import { connectPort } from './process-port.ts';
import { PIN_SCRIPT, SUPERVISOR_SCRIPT } from './process-supervisor.ts';
import { processesWith, sendSignal } from './process-table.ts';
import { ProcessUsages } from './process-usage.ts';
import type { ContainerUsage, Sandbox } from './runtime.ts';
import { writeText } from './state-files.ts';
import type { PortStream } from './streams.ts';
import type { ContainerPlace } from './supervised-container.ts';

export interface ProcessRuntimeOptions extends LocalRuntimeOptions {
  /** A part of 127.0.0.0/8 of this node alone. */
  readonly podCidr: string;
  /** Why this runtime and no other, for people. */
  readonly why?: string | undefined;
  /** Make Node programs that listen on all addresses listen on their pod's. */
  readonly pinNodeListeners?: boolean;
}

/** A process that becomes another program just then shows no environment, and is not found by it. */
const EXEC_MS = 20;

export class ProcessRuntime extends LocalRuntime<ProcessContainer> {
  readonly name = 'process';
  readonly version = '1';
  readonly ignoresImages = true;
  protected override readonly hostAddress = '127.0.0.1';
  readonly #options: ProcessRuntimeOptions;
  readonly #host: ProcessHost;
  readonly #usages: ProcessUsages;

  constructor(options: ProcessRuntimeOptions) {
    const { root, podCidr, clock, log, logBytesMax, pinNodeListeners = true } = options;
    const range = parseCidr(podCidr);
    if (range === undefined || !podCidr.startsWith('127.')) {
      throw new UserError(`podCidr ${podCidr}: the process runtime needs a block of 127.0.0.0/8, such as 127.34.0.0/20`);
    }
    super(options, podCidr, range);
    this.#options = options;
    const mark = `PODIUM_NODE=${root}`;
    this.#usages = new ProcessUsages(mark);
    this.#host = {
      clock,
      log,
      logBytesMax,
      mark,
      supervisorPath: join(root, 'supervisor.sh'),
      pinPath: pinNodeListeners ? join(root, 'pin.cjs') : undefined,
      tell: (sandboxId) => this.tell(sandboxId),
    };
  }

  get detail(): string | undefined {
    const { why } = this.#options;
    return why === undefined ? undefined : `${why}; containers are processes of this machine, without isolation or limits`;
  }

  async start(): Promise<void> {
    this.makeDirectories();
    await writeText(this.#host.supervisorPath, SUPERVISOR_SCRIPT, 0o700);
    await writeText(join(this.#options.root, 'pin.cjs'), PIN_SCRIPT, 0o600);
    this.adoptAll();
    await this.endUnheld();
    this.#reapStrays();
    await sleep(this.#options.clock, EXEC_MS);
    this.#reapStrays();
    await this.removeCutOff();
    this.armTick();
  }

  /** Ends processes of this node that belong to no running container. */
  #reapStrays(): void {
    const running = new Set(this.containers().filter(({ record }) => record.state === 'running').map(({ id }) => id));
    for (const { pid, environment } of processesWith(this.#host.mark)) {
      const id = environment.find((entry) => entry.startsWith('PODIUM_CONTAINER_ID='))?.slice('PODIUM_CONTAINER_ID='.length);
      if (id !== undefined && running.has(id)) continue;
      this.#options.log.warn({ pid, container: id }, 'process runtime: ended a stray of an earlier agent');
      sendSignal(pid, 'SIGKILL');
    }
  }

  protected override makeSandbox(): Promise<SandboxLife> {
    return Promise.resolve({});
  }

  protected override endSandbox(): void {
    // It is an address and a directory.
  }

  protected override cleanSandbox(): Promise<void> {
    return Promise.resolve();
  }

  protected override makeContainer(entry: SandboxEntry<ProcessContainer>, place: ContainerPlace): Promise<ProcessContainer> {
    return ProcessContainer.create(this.#host, podOf(entry), place);
  }

  protected override knownContainer(entry: SandboxEntry<ProcessContainer>, place: ContainerPlace): ProcessContainer {
    return new ProcessContainer(this.#host, podOf(entry), place);
  }

  protected override usagesOf(running: readonly ProcessContainer[]): readonly ContainerUsage[] {
    return this.#usages.of(running.flatMap(({ id, pids }) => (pids === undefined ? [] : [{ id, ...pids.child, supervisor: pids.supervisor.pid }])));
  }

  protected override connect({ ip }: Sandbox, port: number): Promise<PortStream> {
    return connectPort({ host: ip, port, clock: this.#options.clock });
  }

  protected override onTick(): void {
    // Nothing but what every runtime looks at.
  }
}

function podOf({ sandbox, config }: SandboxEntry<ProcessContainer>): ProcessPod {
  return { ip: sandbox.ip, hostname: config.hostname };
}
