/**
 * The files in which containers leave their last words: `<root>/<pod uid>/<container>-<attempt>`, each seen by its container
 * at its terminationMessagePath. Without a file, the end of the log may stand for it. Read once, when a container has ended.
 */
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { containersOf, type AgentContainer, type AgentPod } from './core/pod-spec.ts';
import { DEFAULT_MESSAGE_PATH, lastText, LOG_MESSAGE_BYTES_MAX, LOG_MESSAGE_LINES_MAX, MESSAGE_BYTES_MAX } from './core/termination-message.ts';
import type { ContainerId, ContainerRecord, Mount, Runtime } from './runtime/runtime.ts';

/** A program may write more than is read; so much is looked at. */
const LOOKED_AT_BYTES_MAX = 64 * 1024;

export class TerminationLogs {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  #path(uid: string, name: string, attempt: number): string {
    return join(this.#root, uid, `${name}-${attempt}`);
  }

  /** Makes the file, empty; undefined: a volume is where it should be seen. */
  async mount(uid: string, container: AgentContainer, attempt: number): Promise<Mount | undefined> {
    const { name, terminationMessagePath: containerPath = DEFAULT_MESSAGE_PATH, volumeMounts = [] } = container;
    if (containerPath === '' || volumeMounts.some(({ mountPath }) => mountPath === containerPath)) return undefined;
    const hostPath = this.#path(uid, name, attempt);
    await mkdir(join(this.#root, uid), { recursive: true, mode: 0o700 });
    await writeFile(hostPath, '');
    // Whoever the container runs as.
    await chmod(hostPath, 0o666);
    return { containerPath, hostPath, readOnly: false };
  }

  async read(uid: string, name: string, attempt: number): Promise<string> {
    // It may be gone, or of a pod from before there were such files.
    const bytes = await readFile(this.#path(uid, name, attempt)).catch(() => Buffer.alloc(0));
    return lastText(bytes, MESSAGE_BYTES_MAX);
  }

  async remove(uid: string): Promise<void> {
    await rm(join(this.#root, uid), { recursive: true, force: true, maxRetries: 3 });
  }

  /** Pods that have files here. */
  list(): Promise<readonly string[]> {
    return readdir(this.#root).then(
      (names) => names.sort(),
      () => [], // none was ever made
    );
  }
}

/** What the ended containers of one pod have left to say. */
export class TerminationMessages {
  readonly #logs: TerminationLogs | undefined;
  readonly #runtime: Runtime;
  readonly #messages = new Map<ContainerId, string>();

  constructor(logs: TerminationLogs | undefined, runtime: Runtime) {
    this.#logs = logs;
    this.#runtime = runtime;
  }

  async of(pod: AgentPod, containers: readonly ContainerRecord[]): Promise<ReadonlyMap<ContainerId, string>> {
    for (const id of [...this.#messages.keys()]) if (!containers.some((one) => one.id === id)) this.#messages.delete(id);
    if (this.#logs === undefined) return this.#messages;
    for (const record of containers) {
      if (record.state !== 'exited' || this.#messages.has(record.id)) continue;
      const container = containersOf(pod).find(({ name }) => name === record.name);
      const own = await this.#logs.read(record.sandboxId, record.name, record.attempt);
      const fallsBack = own === '' && record.exitCode !== 0 && container?.terminationMessagePolicy === 'FallbackToLogsOnError';
      this.#messages.set(record.id, fallsBack ? await this.#lastOfLog(record.id) : own);
    }
    return this.#messages;
  }

  async #lastOfLog(id: ContainerId): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of this.#runtime.logs(id, { follow: false, timestamps: false, tailLines: LOG_MESSAGE_LINES_MAX })) {
        chunks.push(chunk);
        size += chunk.length;
        // Eighty lines may be long.
        while (chunks.length > 1 && size - chunks[0]!.length > LOOKED_AT_BYTES_MAX) size -= chunks.shift()!.length;
      }
    } catch {
      return ''; // it has no log any more
    }
    return lastText(Buffer.concat(chunks), LOG_MESSAGE_BYTES_MAX);
  }
}
