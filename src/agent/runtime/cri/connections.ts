/** Commands beside containers, and connections to what listens in their pods: by the runtime's streaming server. */
import type { Millis } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import { RuntimeService } from '../../../proto/cri.ts';
import { connectPort } from '../process-port.ts';
import { RuntimeError, type ContainerId, type ExecResult, type SandboxId } from '../runtime.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream } from '../streams.ts';
import { hasCode } from './client.ts';
import type { Containers } from './containers.ts';
import { isListening } from './listeners.ts';
import type { CriParts } from './parts.ts';
import { RemoteCommand } from './remote-command.ts';
import { RemotePort } from './remote-port.ts';

const calls = RuntimeService.methods;
const EXEC_DEADLINE_SLACK_MS = 200;
const DIAL_DEADLINE_MS = 1_000;
const CANNOT_EXEC_EXIT_CODE = 126;
const EXEC_OUTPUT_CHARACTERS_MAX = 64 * 1024;

export class Connections {
  readonly #parts: CriParts;
  readonly #containers: Containers;

  constructor(parts: CriParts, containers: Containers) {
    this.#parts = parts;
    this.#containers = containers;
  }

  async exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    const { client, clock, contact, signal } = this.#parts;
    const { criId } = this.#containers.running(id);
    const request = { containerId: criId, cmd: [...command], timeout: Math.ceil(timeoutMs / 1_000) };
    const startedAt = clock.monotonic();
    try {
      // The runtime counts in seconds; a call that is given up ends the command as well.
      const { stdout, stderr, exitCode } = await client.call(calls.execSync, request, { deadlineMs: timeoutMs + EXEC_DEADLINE_SLACK_MS, signal });
      const output = Buffer.concat([stdout, stderr]).toString('utf8').slice(0, EXEC_OUTPUT_CHARACTERS_MAX);
      return { exitCode, output, timedOut: false };
    } catch (error) {
      const isLate = clock.monotonic() - startedAt >= timeoutMs;
      if (hasCode(error, 'unavailable') && isLate && !contact.isSilent) return { exitCode: 137, output: '', timedOut: true };
      if (hasCode(error, 'cannot-start')) return { exitCode: CANNOT_EXEC_EXIT_CODE, output: describeError(error), timedOut: false };
      throw error;
    }
  }

  async execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream> {
    const { client, clock } = this.#parts;
    const { criId } = this.#containers.running(id);
    const { command, stdin, stdout, stderr, tty } = options;
    const { url } = await client.call(calls.exec, { containerId: criId, cmd: [...command], stdin, stdout, stderr: stderr && !tty, tty });
    return RemoteCommand.open({ ...options, url, clock });
  }

  async attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream> {
    const { client, clock } = this.#parts;
    const { criId } = this.#containers.running(id);
    const { stdin, stdout, stderr, tty } = options;
    const { url } = await client.call(calls.attach, { containerId: criId, stdin, stdout, stderr: stderr && !tty, tty });
    return RemoteCommand.open({ ...options, url, clock, isAttached: true });
  }

  async portForward(id: SandboxId, port: number): Promise<PortStream> {
    const { client, table, clock } = this.#parts;
    const sandbox = table.sandbox(id);
    const row = table.sandboxRows(id).at(-1);
    if (sandbox === undefined || row === undefined) throw new RuntimeError('not-found', `there is no sandbox ${id}`);
    if (sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${id} is not running`);
    const direct = await connectPort({ host: sandbox.ip, port, clock, deadlineMs: DIAL_DEADLINE_MS }).catch(() => undefined); // from within then
    if (direct !== undefined) return direct;
    const { pid } = table.containerRows(id).find(({ record }) => record.state === 'running')?.record ?? {};
    const isHeard = pid === undefined ? undefined : await isListening(pid, port);
    if (isHeard === false) throw new RuntimeError('cannot-start', `failed to connect to port ${port} of the pod: connection refused`);
    const { url } = await client.call(calls.portForward, { podSandboxId: row.criId, port: [port] });
    return RemotePort.open({ url, port, clock, isHeard: isHeard ?? false });
  }
}
