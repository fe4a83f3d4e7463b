/**
 * The audit log's file: lines are appended in the order in which they were written. A disk that cannot follow does not
 * hold requests up: past a limit lines are left out, and how many is said in the log.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** Some ten thousand lines. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

export class AuditFile {
  readonly #stream: WriteStream;
  readonly #log: Log;
  #leftOut = 0;

  constructor(path: string, log: Log) {
    this.#log = log;
    this.#stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.#stream.on('error', (error) => log.error({ error: describeError(error) }, 'audit: the log cannot be written'));
    this.#stream.on('drain', () => this.#tell());
  }

  write(line: string): void {
    if (this.#stream.destroyed || this.#stream.writableLength > WAITING_BYTES_MAX) this.#leftOut++;
    else this.#stream.write(line);
  }

  close(): Promise<void> {
    this.#tell();
    if (this.#stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#stream.once('error', () => resolve());
      this.#stream.end(() => resolve());
    });
  }

  #tell(): void {
    if (this.#leftOut > 0) this.#log.warn({ count: this.#leftOut }, 'audit: lines were left out, the disk is too slow');
    this.#leftOut = 0;
  }
}
