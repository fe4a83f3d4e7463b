/**
 * The variables by which a container's programs find Services that were there before it: those of its own namespace where
 * the pod wants links, and the API server always. Pure.
 */
import type { Service } from '../../client/objects.ts';
import type { AgentPod } from './pod-spec.ts';

const API_SERVER = { namespace: 'default', name: 'kubernetes' };

export function serviceEnvironment({ metadata, spec }: AgentPod, services: readonly Service[]): Record<string, string> {
  const env: Record<string, string> = {};
  const isApiServer = (service: Service) => service.metadata.namespace === API_SERVER.namespace && service.metadata.name === API_SERVER.name;
  const isLinked = (service: Service) => spec.enableServiceLinks !== false && service.metadata.namespace === metadata.namespace;
  const hasAddress = ({ spec: { clusterIP = '' } }: Service) => clusterIP !== '' && clusterIP !== 'None';
  // A Service of that name in the pod's own namespace goes before the API server.
  const wanted = services.filter((service) => hasAddress(service) && (isApiServer(service) || isLinked(service)));
  const ordered = [...wanted.filter(isApiServer), ...wanted.filter((service) => !isApiServer(service)).sort(byName)];
  for (const service of ordered) Object.assign(env, variablesOf(service));
  return env;
}

function byName(a: Service, b: Service): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function variablesOf({ metadata, spec }: Service): Record<string, string> {
  const prefix = upper(metadata.name);
  const host = spec.clusterIP ?? '';
  const ports = spec.ports ?? [];
  const [first] = ports;
  if (first === undefined) return {};
  const env: Record<string, string> = { [`${prefix}_SERVICE_HOST`]: host, [`${prefix}_SERVICE_PORT`]: String(first.port) };
  for (const { name = '', port } of ports) if (name !== '') env[`${prefix}_SERVICE_PORT_${upper(name)}`] = String(port);
  // As Docker's links wrote them, once.
  ports.forEach(({ port, protocol = 'TCP' }, index) => {
    const address = `${protocol.toLowerCase()}://${host}:${port}`;
    const own = `${prefix}_PORT_${port}_${protocol}`;
    if (index === 0) env[`${prefix}_PORT`] = address;
    Object.assign(env, { [own]: address, [`${own}_PROTO`]: protocol.toLowerCase(), [`${own}_PORT`]: String(port), [`${own}_ADDR`]: host });
  });
  return env;
}

function upper(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
