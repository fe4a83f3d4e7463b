/**
 * What a pod is called and how it finds others: its hostname, its line in /etc/hosts, its resolv.conf. Pure; the limits
 * and the order of what counts are the kubelet's.
 */
import type { DnsConfig } from '../runtime/runtime.ts';
import type { AgentPod } from './pod-spec.ts';
import { podDns, type ResolvConf } from './resolv-conf.ts';

/** Of the cluster, and of the node's machine. */
export interface Naming {
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Where pods of this node find the cluster's DNS; empty: there is none. */
  readonly clusterDns: readonly string[];
  /** How the machine finds names, as far as it is of use to a pod. */
  readonly host: () => ResolvConf;
}

export interface PodNames {
  /** What `uname -n` says. */
  readonly hostname: string;
  /** Of its own address in /etc/hosts, the longest first. */
  readonly hostnames: readonly string[];
  readonly dns?: DnsConfig | undefined;
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

const LABEL_MAX = 63;
/** What the kernel keeps of a hostname. */
const HOSTNAME_MAX = 64;

/** Without a `naming` names are the runtime's affair. */
export function podNames({ metadata, spec }: AgentPod, naming: Naming | undefined): PodNames {
  const { namespace = '' } = metadata;
  const { hostNetwork = false, nodeName, subdomain = '', setHostnameAsFQDN = false } = spec;
  // In the node's network a pod is called as the node.
  const short = hostNetwork && nodeName !== undefined ? nodeName : label(spec.hostname ?? metadata.name);
  const long = subdomain === '' || hostNetwork || naming === undefined ? undefined : `${short}.${subdomain}.${namespace}.svc.${naming.clusterDomain}`;
  const hostnames = long === undefined ? [short] : [long, short];
  const warnings: { reason: string; message: string }[] = [];
  const isLong = setHostnameAsFQDN && long !== undefined;
  if (isLong && long.length > HOSTNAME_MAX) {
    warnings.push({ reason: 'FailedCreatePodSandBox', message: `the pod's FQDN ${long} is longer than ${HOSTNAME_MAX} characters: its hostname is ${short}` });
  }
  const hostname = isLong && long.length <= HOSTNAME_MAX ? long : short;
  if (naming === undefined) return { hostname, hostnames, warnings };
  const { clusterDomain, clusterDns, host } = naming;
  const { nameservers, searches, options, warnings: said } = podDns({ namespace, spec, clusterDomain, clusterDns, host: host() });
  return { hostname, hostnames, dns: { servers: nameservers, searches, options }, warnings: [...warnings, ...said] };
}

/** Names of pods may be longer than a host's. */
function label(name: string): string {
  return name.length <= LABEL_MAX ? name : name.slice(0, LABEL_MAX).replace(/[-.]+$/, '');
}

/**
 * A machine's resolv.conf, for pods that have a network of their own: a resolver on the machine's loopback is out of their
 * reach, so `instead` takes its place, which asks it for them.
 */
export function reachableFromPods(host: ResolvConf, instead: readonly string[]): ResolvConf {
  const nameservers = host.nameservers.filter((address) => !address.startsWith('127.') && address !== '::1');
  return { ...host, nameservers: nameservers.length === 0 ? instead : nameservers };
}
