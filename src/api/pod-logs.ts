/** A pod's log: it comes from the agent of the pod's node and is passed on as it is. Both faces read it here. */
import type { Node, Pod } from 'kubernetes-types/core/v1.js';
import { ApiError, badRequest } from '../kube/errors.ts';
import { typed } from '../kube/types.ts';
import { Node as NodeService } from '../proto/node.ts';
import { RpcCode, RpcError, type Channel } from '../proto/rpc.ts';
import type { LogOptions } from './core/log-options.ts';
import type { Registry } from './registry.ts';

/** Opens a channel to a node agent, such as `127.0.0.1:10250`; the caller of this module keeps and closes channels. */
export type ConnectToNode = (address: string) => Channel;

export interface PodLogRequest extends LogOptions {
  readonly namespace: string;
  readonly name: string;
}

export interface PodLogs {
  /** Everything that can be said before the first byte is thrown before it. */
  open(request: PodLogRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** `connectAnew`: for one log that is followed, which closes it. On a common channel its slow reader would hold up all. */
export function podLogs(registry: Registry, { connectToNode, connectAnew }: { readonly connectToNode: ConnectToNode; readonly connectAnew: ConnectToNode }): PodLogs {
  return {
    open: async (request, signal) => {
      const { namespace, name, ...options } = request;
      const object = await registry.get({ group: '', version: 'v1', resource: 'pods', namespace, name, subresource: '' });
      const { spec } = typed<Pod>(object);
      const container = chooseContainer(request, spec);
      if (!spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
      const address = await agentAddress(registry, spec.nodeName);
      const channel = request.follow ? connectAnew(address) : connectToNode(address);
      const forwarded = { ...options, namespace, pod: name, uid: object.metadata.uid ?? '', container };
      return read(channel, spec.nodeName, forwarded, signal);
    },
  };
}

type Forwarded = Omit<PodLogRequest, 'name'> & { readonly pod: string; readonly uid: string };

async function* read(channel: Channel, nodeName: string, request: Forwarded, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const { data } of channel.serverStream(NodeService.methods.logs, request, { signal })) yield data;
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== RpcCode.UNAVAILABLE) throw error;
    const message = `the agent of node ${nodeName} cannot be reached: ${error.message}`;
    throw new ApiError('ServiceUnavailable', message, { cause: error });
  } finally {
    if (request.follow) channel.close();
  }
}

/** The container that is meant: by name, or the pod's only one. */
export function chooseContainer({ container, name }: { readonly container: string; readonly name: string }, spec: Pod['spec']): string {
  const names = (list: readonly { readonly name: string }[] | undefined) => list?.map((one) => one.name) ?? [];
  const containers = names(spec?.containers);
  const all = [...containers, ...names(spec?.initContainers), ...names(spec?.ephemeralContainers)];
  if (container !== '') {
    if (all.includes(container)) return container;
    throw badRequest(`container ${container} is not valid for pod ${name}`);
  }
  if (containers.length === 1 && containers[0] !== undefined) return containers[0];
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`);
}

export async function agentAddress(registry: Registry, nodeName: string): Promise<string> {
  const object = await registry.get({ group: '', version: 'v1', resource: 'nodes', namespace: '', name: nodeName, subresource: '' });
  const { status } = typed<Node>(object);
  const host = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (host === undefined || port === undefined) {
    throw new ApiError('ServiceUnavailable', `node ${nodeName} has not said where its agent listens`);
  }
  return `${host}:${port}`;
}
