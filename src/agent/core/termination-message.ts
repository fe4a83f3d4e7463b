/** What a container left to say at its end: how much of it is kept. Pure; the numbers are the kubelet's. */
import type { AgentContainerStatus, AgentPodStatus, ContainerStateStatus } from './pod-spec.ts';

/** Of a file, from its end. */
export const MESSAGE_BYTES_MAX = 4 * 1024;
/** Of a log, where there is no file: the last lines, and of these the last bytes. */
export const LOG_MESSAGE_LINES_MAX = 80;
export const LOG_MESSAGE_BYTES_MAX = 2 * 1024;
/** Of all containers of a pod together. */
const POD_BYTES_MAX = 12 * 1024;

export const DEFAULT_MESSAGE_PATH = '/dev/termination-log';

/** The last `bytesMax` bytes as text; a character that is cut in two is left out. */
export function lastText(bytes: Buffer, bytesMax: number): string {
  let from = Math.max(0, bytes.length - bytesMax);
  if (from > 0) while (from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from).toString('utf8');
}

/** Every container has its share of what a status may hold. */
export function withinBudget(status: AgentPodStatus): AgentPodStatus {
  const { initContainerStatuses = [], containerStatuses = [] } = status;
  const shareBytes = Math.floor(POD_BYTES_MAX / Math.max(1, initContainerStatuses.length + containerStatuses.length));
  const cut = (list: readonly AgentContainerStatus[]) => list.map((one) => ({ ...one, state: shortened(one.state, shareBytes), lastState: shortened(one.lastState, shareBytes) }));
  return {
    ...status,
    ...(status.initContainerStatuses === undefined ? {} : { initContainerStatuses: cut(initContainerStatuses) }),
    containerStatuses: cut(containerStatuses),
  };
}

function shortened(state: ContainerStateStatus, bytesMax: number): ContainerStateStatus {
  const { terminated } = state;
  const message = terminated?.message;
  if (terminated === undefined || message === undefined || Buffer.byteLength(message) <= bytesMax) return state;
  const bytes = Buffer.from(message);
  let to = bytesMax;
  while (to > 0 && (bytes[to]! & 0xc0) === 0x80) to--;
  return { ...state, terminated: { ...terminated, message: bytes.subarray(0, to).toString('utf8') } };
}
