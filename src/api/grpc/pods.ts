/** podium.api.v1.Pods: logs come from the agent of the pod's node and are passed on as they are. */
import type { Node, Pod } from 'kubernetes-types/core/v1.js';
import { ApiError, badRequest } from '../../kube/errors.ts';
import { typed } from '../../kube/types.ts';
import { Pods, type LogsChunk, type LogsRequest } from '../../proto/api.ts';
import { Node as NodeService } from '../../proto/node.ts';
import { bind, RpcCode, RpcError, type BoundService, type Channel } from '../../proto/rpc.ts';
import type { Init } from '../../proto/wire.ts';
import type { Registry } from '../registry.ts';
import { mapApiError } from './resources.ts';

/** Opens a channel to a node agent, such as `127.0.0.1:10250`; the caller of this module keeps and closes channels. */
export type ConnectToNode = (address: string) => Channel;

export function podsService(registry: Registry, connectToNode: ConnectToNode): BoundService {
  return bind(Pods, { logs: (request, { signal }) => logs(registry, connectToNode, request, signal) }, mapApiError);
}

async function* logs(
  registry: Registry,
  connectToNode: ConnectToNode,
  request: LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<Init<LogsChunk>> {
  const { namespace, name } = request;
  const ref = { group: '', version: 'v1', resource: 'pods', namespace, name, subresource: '' };
  const object = await registry.get(ref);
  const { spec } = typed<Pod>(object);
  const container = containerOf(request, spec?.containers.map((one) => one.name) ?? [], spec?.initContainers?.map((one) => one.name) ?? []);
  if (!spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
  const channel = connectToNode(await agentAddress(registry, spec.nodeName));
  const { namespace: _namespace, name: _name, ...options } = request;
  const forwarded = { ...options, namespace, pod: name, uid: object.metadata.uid ?? '', container };
  try {
    for await (const chunk of channel.serverStream(NodeService.methods.logs, forwarded, { signal })) yield { data: chunk.data };
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== RpcCode.UNAVAILABLE) throw error;
    const message = `the agent of node ${spec.nodeName} cannot be reached: ${error.message}`;
    throw new ApiError('ServiceUnavailable', message, { cause: error });
  }
}

function containerOf({ container, name }: LogsRequest, containers: readonly string[], initContainers: readonly string[]): string {
  const all = [...containers, ...initContainers];
  if (container !== '') {
    if (all.includes(container)) return container;
    throw badRequest(`container ${container} is not valid for pod ${name}`);
  }
  if (containers.length === 1 && containers[0] !== undefined) return containers[0];
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`);
}

async function agentAddress(registry: Registry, nodeName: string): Promise<string> {
  const object = await registry.get({ group: '', version: 'v1', resource: 'nodes', namespace: '', name: nodeName, subresource: '' });
  const { status } = typed<Node>(object);
  const host = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (host === undefined || port === undefined) {
    throw new ApiError('ServiceUnavailable', `node ${nodeName} has not said where its agent listens`);
  }
  return `${host}:${port}`;
}
