/**
 * A Pod as the node agent reads it: the fields that decide what runs here. `client/objects.ts` names those that
 * scheduler and controllers read; this file adds the rest. Plain data, shared by the agent's cores and shells.
 */
import type { ApiObject, Condition, Pod, PodSpec, StringMap } from '../../client/objects.ts';
import type { PodDnsSpec } from './resolv-conf.ts';

export interface ExecAction {
  readonly command?: readonly string[];
}

export interface HttpGetAction {
  readonly path?: string;
  readonly port: number | string;
  readonly host?: string;
  readonly scheme?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

export interface TcpSocketAction {
  readonly port: number | string;
  readonly host?: string;
}

export interface GrpcAction {
  readonly port: number;
  readonly service?: string;
}

export interface ProbeSpec {
  readonly exec?: ExecAction;
  readonly httpGet?: HttpGetAction;
  readonly tcpSocket?: TcpSocketAction;
  readonly grpc?: GrpcAction;
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly terminationGracePeriodSeconds?: number;
}

export interface LifecycleHandler {
  readonly exec?: ExecAction;
  readonly httpGet?: HttpGetAction;
  readonly sleep?: { readonly seconds: number };
  /** Kept for old manifests; it does nothing. */
  readonly tcpSocket?: TcpSocketAction;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly resourceFieldRef?: { readonly resource: string; readonly containerName?: string; readonly divisor?: string };
    readonly configMapKeyRef?: { readonly name?: string; readonly key: string; readonly optional?: boolean };
    readonly secretKeyRef?: { readonly name?: string; readonly key: string; readonly optional?: boolean };
  };
}

export interface EnvFromSource {
  readonly prefix?: string;
  readonly configMapRef?: { readonly name?: string; readonly optional?: boolean };
  readonly secretRef?: { readonly name?: string; readonly optional?: boolean };
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly subPath?: string;
  /** With references to variables of the container. */
  readonly subPathExpr?: string;
  readonly readOnly?: boolean;
  readonly mountPropagation?: string;
}

/** Of a pod. */
export interface PodSecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly fsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
  readonly seccompProfile?: SeccompProfileSpec;
  readonly appArmorProfile?: SeccompProfileSpec;
}

/** AppArmor's has the same fields. */
export interface SeccompProfileSpec {
  readonly type: string;
  readonly localhostProfile?: string;
}

export interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly seccompProfile?: SeccompProfileSpec;
  readonly appArmorProfile?: SeccompProfileSpec;
  readonly procMount?: string;
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
  readonly hostPort?: number;
  readonly hostIP?: string;
}

export interface AgentContainer {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly EnvFromSource[];
  readonly ports?: readonly ContainerPort[];
  readonly resources?: { readonly requests?: StringMap; readonly limits?: StringMap };
  readonly securityContext?: SecurityContext;
  readonly restartPolicy?: string;
  /** Of an ephemeral container: whose processes it sees. */
  readonly targetContainerName?: string;
  readonly volumeMounts?: readonly VolumeMount[];
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  readonly startupProbe?: ProbeSpec;
  readonly livenessProbe?: ProbeSpec;
  readonly readinessProbe?: ProbeSpec;
  readonly lifecycle?: { readonly postStart?: LifecycleHandler; readonly preStop?: LifecycleHandler; readonly stopSignal?: string };
  readonly terminationMessagePath?: string;
  readonly terminationMessagePolicy?: string;
  readonly resizePolicy?: readonly { readonly resourceName: string; readonly restartPolicy: string }[];
}

export interface KeyToPath {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}

export interface DownwardFile {
  readonly path: string;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: { readonly resource: string; readonly containerName?: string; readonly divisor?: string };
  readonly mode?: number;
}

export interface ConfigMapSource {
  readonly name?: string;
  readonly items?: readonly KeyToPath[];
  readonly defaultMode?: number;
  readonly optional?: boolean;
}

export interface SecretSource extends Omit<ConfigMapSource, 'name'> {
  readonly secretName?: string;
  /** How a projected source calls it. */
  readonly name?: string;
}

export interface DownwardSource {
  readonly items?: readonly DownwardFile[];
  readonly defaultMode?: number;
}

export interface TokenSource {
  /** Absent: the API server. */
  readonly audience?: string;
  readonly expirationSeconds?: number;
  readonly path: string;
  /** Of the volume. */
  readonly defaultMode?: number;
}

export interface ProjectedSource {
  readonly configMap?: ConfigMapSource;
  readonly secret?: SecretSource;
  readonly downwardAPI?: DownwardSource;
  readonly serviceAccountToken?: TokenSource;
  readonly clusterTrustBundle?: object;
}

export interface EmptyDirSource {
  readonly medium?: string;
  readonly sizeLimit?: string;
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: EmptyDirSource;
  readonly hostPath?: { readonly path: string; readonly type?: string };
  readonly configMap?: ConfigMapSource;
  readonly secret?: SecretSource;
  readonly downwardAPI?: DownwardSource;
  readonly projected?: { readonly defaultMode?: number; readonly sources?: readonly ProjectedSource[] };
}

export interface AgentPodSpec extends Omit<PodSpec, 'containers' | 'initContainers'> {
  readonly containers: readonly AgentContainer[];
  readonly initContainers?: readonly AgentContainer[];
  readonly ephemeralContainers?: readonly AgentContainer[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: PodSecurityContext;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[];
  readonly dnsPolicy?: string;
  readonly dnsConfig?: NonNullable<PodDnsSpec['dnsConfig']>;
  readonly setHostnameAsFQDN?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly activeDeadlineSeconds?: number;
  readonly serviceAccountName?: string;
  readonly imagePullSecrets?: readonly { readonly name?: string }[];
  readonly readinessGates?: readonly { readonly conditionType: string }[];
}

export interface TerminatedState {
  readonly exitCode: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly containerID?: string;
}

export interface ContainerStateStatus {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: TerminatedState;
}

export interface AgentContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly state: ContainerStateStatus;
  readonly lastState: ContainerStateStatus;
  /** What it was given of the node, and what limits it now. */
  readonly allocatedResources?: StringMap;
  readonly resources?: ResourceAmounts;
  readonly stopSignal?: string;
}

export interface ResourceAmounts {
  readonly requests?: StringMap;
  readonly limits?: StringMap;
}

export interface AgentPodStatus {
  readonly observedGeneration?: number;
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly conditions?: readonly Condition[];
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly hostIP?: string;
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly startTime?: string;
  readonly qosClass?: string;
  readonly containerStatuses?: readonly AgentContainerStatus[];
  readonly initContainerStatuses?: readonly AgentContainerStatus[];
  readonly ephemeralContainerStatuses?: readonly AgentContainerStatus[];
}

export interface AgentPod extends Omit<Pod, 'spec' | 'status'> {
  readonly spec: AgentPodSpec;
  readonly status?: AgentPodStatus;
}

export interface ConfigMap extends ApiObject {
  readonly data?: StringMap;
  /** Base 64. */
  readonly binaryData?: StringMap;
  readonly immutable?: boolean;
}

export interface Secret extends ApiObject {
  readonly type?: string;
  /** Base 64. */
  readonly data?: StringMap;
  readonly immutable?: boolean;
}

/** `replace-pod`: a container that fails ends the pod, and its owner makes a new one, which is scheduled afresh. */
export const ON_FAILURE_ANNOTATION = 'podium.dev/on-container-failure';

/** Whatever may run in it, by their names one of a kind. */
export function containersOf({ spec }: Pick<AgentPod, 'spec'>): AgentContainer[] {
  return [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** Init containers that go on beside the others, in the order in which they start. */
export function sidecarsOf({ spec }: Pick<AgentPod, 'spec'>): AgentContainer[] {
  return (spec.initContainers ?? []).filter(isSidecar);
}

export function isSidecar({ restartPolicy }: AgentContainer): boolean {
  return restartPolicy === 'Always';
}

/** `web_default(uid)`: how the agent's messages call a pod, as the kubelet does. */
export function describePod(pod: AgentPod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace ?? ''}(${pod.metadata.uid ?? ''})`;
}

export function graceSecondsOf(pod: AgentPod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}
