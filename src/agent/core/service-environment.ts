/**
 * The variables by which programs without DNS find services, as the kubelet sets them: those of the Service `kubernetes`
 * always, those of the pod's namespace unless `enableServiceLinks` is false. What a container sets itself goes first.
 */
import type { Service } from '../../client/objects.ts';
import { clusterIpOf } from './service-endpoints.ts';

export interface ServiceEnvironmentInput {
  readonly services: readonly Service[];
  readonly namespace: string;
  readonly enableServiceLinks: boolean;
}

/** In `default`, and everybody's. */
const API_SERVICE = 'kubernetes';
const API_NAMESPACE = 'default';

export function serviceEnvironment({ services, namespace, enableServiceLinks }: ServiceEnvironmentInput): Record<string, string> {
  const env: Record<string, string> = {};
  const isApi = ({ metadata }: Service) => metadata.name === API_SERVICE && metadata.namespace === API_NAMESPACE;
  const own = enableServiceLinks ? services.filter(({ metadata }) => metadata.namespace === namespace) : [];
  // A Service `kubernetes` of the pod's own namespace counts more than that of the cluster.
  for (const service of [...services.filter(isApi), ...own]) Object.assign(env, variablesOf(service));
  return env;
}

function variablesOf(service: Service): Record<string, string> {
  const address = clusterIpOf(service);
  const ports = service.spec.ports ?? [];
  const first = ports[0];
  if (address === undefined || first === undefined) return {};
  const prefix = variableName(service.metadata.name);
  const url = ({ protocol = 'TCP', port }: (typeof ports)[number]) => `${protocol.toLowerCase()}://${address}:${port}`;
  const env: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: address,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
    [`${prefix}_PORT`]: url(first),
  };
  for (const port of ports) {
    const { name = '', protocol = 'TCP', port: number } = port;
    if (name !== '') env[`${prefix}_SERVICE_PORT_${variableName(name)}`] = String(number);
    const link = `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;
    env[link] = url(port);
    env[`${link}_PROTO`] = protocol.toLowerCase();
    env[`${link}_PORT`] = String(number);
    env[`${link}_ADDR`] = address;
  }
  return env;
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
