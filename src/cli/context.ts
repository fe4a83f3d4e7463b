/** What a verb works with, handed in so that a test can run a verb without a process, a terminal or a cluster. */
import type { Clock } from '../base/clock.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { PodCalls } from './pod-calls.ts';

export interface LogRequest {
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
}

export interface CliContext {
  readonly clock: Clock;
  readonly dataDir: string;
  /** The API server of the cluster in `dataDir`. */
  readonly api: ApiClient;
  readonly logs: (request: LogRequest, signal?: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Commands in pods and connections to their ports. */
  readonly pods: PodCalls;
  readonly write: (text: string | Uint8Array) => void;
  readonly warn: (line: string) => void;
  readonly readStdin: () => Promise<string>;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether standard output shows colours. */
  readonly hasColors: boolean;
}

/** A verb's outcome is the process's exit code. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
