/** etcd3, the client of npm, for its tests: against a cluster of processes, with a quick way back after a lost connection. */
import { Etcd3, type IOptions } from 'etcd3';
import type { StoreCluster } from '../processes.ts';

/** Its default doubles up to half a minute. */
const soon = { duration: 50, next: () => soon };

/** Of all members, or of those that are named; whoever asks closes it. */
export function etcd3Of(
  cluster: StoreCluster,
  options: Partial<IOptions> & { readonly members?: readonly number[] } = {},
): Etcd3 {
  const { members = cluster.members.map((_, at) => at), ...rest } = options;
  const hosts = members.map((at) => `http://${cluster.members[at]!.clientAddress}`);
  // Reconnect quickly: the default of grpc-js waits a second and more.
  const grpcOptions = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 500 };
  return new Etcd3({ hosts, grpcOptions, faultHandling: { watchBackoff: soon }, ...rest });
}

/** Settles with what `call` threw. */
export async function thrownBy(call: PromiseLike<unknown>): Promise<Error> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
