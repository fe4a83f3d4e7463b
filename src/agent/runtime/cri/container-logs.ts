/** The logs of all containers: read by whoever asks, and rotated when they are too long. */
import { sleep, type Millis } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import { RuntimeService } from '../../../proto/cri.ts';
import type { ContainerRecord, LogOptions } from '../runtime.ts';
import { ContainerLog, LOG_BYTES_MAX } from './container-log.ts';
import type { CriParts } from './parts.ts';

const LOG_LOOK_MS = 10_000;

export interface ContainerLogsOptions {
  readonly logBytesMax?: number | undefined;
  /** How often logs are looked at for their size. */
  readonly logLookMs?: Millis | undefined;
}

export class ContainerLogs {
  readonly #parts: CriParts;
  readonly #options: ContainerLogsOptions;

  constructor(parts: CriParts, options: ContainerLogsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async *read(record: ContainerRecord, options: LogOptions): AsyncGenerator<Uint8Array> {
    const { table, clock, signal } = this.#parts;
    const isEnded = () => signal.aborted || (table.container(record.id)?.record.state ?? 'exited') === 'exited';
    yield* this.#of(record).read(options, { clock, isEnded });
  }

  async rotateAll(): Promise<void> {
    const { clock, log, client, table, signal } = this.#parts;
    const { logBytesMax = LOG_BYTES_MAX, logLookMs = LOG_LOOK_MS } = this.#options;
    while (!signal.aborted) {
      await sleep(clock, logLookMs, signal);
      for (const { criId, record } of table.containerRows()) {
        if (record.state !== 'running') continue;
        const reopen = async () => void (await client.call(RuntimeService.methods.reopenContainerLog, { containerId: criId }));
        await this.#of(record).rotate(logBytesMax, reopen).catch((error: unknown) => {
          log.debug({ container: record.id, error: describeError(error) }, 'cri: a log was not rotated');
        });
      }
    }
  }

  #of({ sandboxId, name, attempt }: ContainerRecord): ContainerLog {
    return new ContainerLog(this.#parts.files.logPath(sandboxId, name, attempt));
  }
}
