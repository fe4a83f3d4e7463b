/**
 * The texts that a field may hold, where there are few: of a list, each of its items. For clients that show or check them,
 * such as `kubectl explain`; what the server refuses is said by the kinds.
 */
const SIGNALS: readonly string[] = [
  ...['ABRT', 'ALRM', 'BUS', 'CHLD', 'CLD', 'CONT', 'FPE', 'HUP', 'ILL', 'INT', 'IO', 'IOT', 'KILL', 'PIPE', 'POLL', 'PROF', 'PWR', 'QUIT'],
  ...['SEGV', 'STKFLT', 'STOP', 'SYS', 'TERM', 'TRAP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'USR1', 'USR2', 'VTALRM', 'WINCH', 'XCPU', 'XFSZ'],
  ...['RTMAX', ...numbered('RTMAX-', 14), 'RTMIN', ...numbered('RTMIN+', 15)],
]
  .map((name) => `SIG${name}`)
  .sort();

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index + 1}`);
}

const ROWS: readonly (readonly [fields: readonly string[], values: readonly string[]])[] = [
  [['CoreV1EndpointPort.protocol', 'DiscoveryV1EndpointPort.protocol', 'V1ContainerPort.protocol', 'V1IngressPortStatus.protocol', 'V1NetworkPolicyPort.protocol', 'V1PortStatus.protocol', 'V1ServicePort.protocol'], ['SCTP', 'TCP', 'UDP']],
  [['V1AppArmorProfile.type', 'V1SeccompProfile.type'], ['Localhost', 'RuntimeDefault', 'Unconfined']],
  [['V1AzureDiskVolumeSource.cachingMode'], ['None', 'ReadOnly', 'ReadWrite']],
  [['V1AzureDiskVolumeSource.kind'], ['Dedicated', 'Managed', 'Shared']],
  [['V1CertificateSigningRequestSpec.usages'], ['any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment', 'decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping']],
  [['V1Container.imagePullPolicy', 'V1EphemeralContainer.imagePullPolicy', 'V1ImageVolumeSource.pullPolicy'], ['Always', 'IfNotPresent', 'Never']],
  [['V1Container.terminationMessagePolicy', 'V1EphemeralContainer.terminationMessagePolicy'], ['FallbackToLogsOnError', 'File']],
  [['V1CronJobSpec.concurrencyPolicy'], ['Allow', 'Forbid', 'Replace']],
  [['V1DaemonSetUpdateStrategy.type', 'V1StatefulSetUpdateStrategy.type'], ['OnDelete', 'RollingUpdate']],
  [['V1DeploymentStrategy.type'], ['Recreate', 'RollingUpdate']],
  [['V1EndpointSlice.addressType'], ['FQDN', 'IPv4', 'IPv6']],
  [['V1HTTPGetAction.scheme'], ['HTTP', 'HTTPS']],
  [['V1HTTPIngressPath.pathType'], ['Exact', 'ImplementationSpecific', 'Prefix']],
  [['V1HostPathVolumeSource.type'], ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']],
  [['V1JobSpec.completionMode'], ['Indexed', 'NonIndexed']],
  [['V1JobSpec.podReplacementPolicy'], ['Failed', 'TerminatingOrFailed']],
  [['V1ModifyVolumeStatus.status'], ['InProgress', 'Infeasible', 'Pending']],
  [['V1NamespaceStatus.phase'], ['Active', 'Terminating']],
  [['V1NetworkPolicySpec.policyTypes'], ['Egress', 'Ingress']],
  [['V1NodeSelectorRequirement.operator'], ['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn']],
  [['V1NodeStatus.phase'], ['Pending', 'Running', 'Terminated']],
  [['V1PersistentVolumeClaimSpec.accessModes', 'V1PersistentVolumeClaimStatus.accessModes', 'V1PersistentVolumeSpec.accessModes'], ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']],
  [['V1PersistentVolumeClaimSpec.volumeMode', 'V1PersistentVolumeSpec.volumeMode'], ['Block', 'Filesystem']],
  [['V1PersistentVolumeClaimStatus.phase'], ['Bound', 'Lost', 'Pending']],
  [['V1PersistentVolumeSpec.persistentVolumeReclaimPolicy', 'V1StorageClass.reclaimPolicy'], ['Delete', 'Recycle', 'Retain']],
  [['V1PersistentVolumeStatus.phase'], ['Available', 'Bound', 'Failed', 'Pending', 'Released']],
  [['V1PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy'], ['AlwaysAllow', 'IfHealthyBudget']],
  [['V1PodFailurePolicyOnExitCodesRequirement.operator'], ['In', 'NotIn']],
  [['V1PodFailurePolicyRule.action'], ['Count', 'FailIndex', 'FailJob', 'Ignore']],
  [['V1PodSecurityContext.fsGroupChangePolicy'], ['Always', 'OnRootMismatch']],
  [['V1PodSecurityContext.supplementalGroupsPolicy'], ['Merge', 'Strict']],
  [['V1PodSpec.dnsPolicy'], ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']],
  [['V1PodSpec.preemptionPolicy', 'V1PriorityClass.preemptionPolicy'], ['Never', 'PreemptLowerPriority']],
  [['V1PodSpec.restartPolicy'], ['Always', 'Never', 'OnFailure']],
  [['V1PodStatus.phase'], ['Failed', 'Pending', 'Running', 'Succeeded', 'Unknown']],
  [['V1PodStatus.qosClass'], ['BestEffort', 'Burstable', 'Guaranteed']],
  [['V1ResourceQuotaSpec.scopes', 'V1ScopedResourceSelectorRequirement.scopeName'], ['BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass']],
  [['V1ScopedResourceSelectorRequirement.operator'], ['DoesNotExist', 'Exists', 'In', 'NotIn']],
  [['V1SecurityContext.procMount'], ['Default', 'Unmasked']],
  [['V1ServiceSpec.externalTrafficPolicy', 'V1ServiceSpec.internalTrafficPolicy'], ['Cluster', 'Local']],
  [['V1ServiceSpec.ipFamilies'], ['', 'IPv4', 'IPv6']],
  [['V1ServiceSpec.ipFamilyPolicy'], ['PreferDualStack', 'RequireDualStack', 'SingleStack']],
  [['V1ServiceSpec.sessionAffinity'], ['ClientIP', 'None']],
  [['V1ServiceSpec.type'], ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']],
  [['V1StatefulSetSpec.podManagementPolicy'], ['OrderedReady', 'Parallel']],
  [['V1StorageClass.volumeBindingMode'], ['Immediate', 'WaitForFirstConsumer']],
  [['V1Taint.effect', 'V1Toleration.effect'], ['NoExecute', 'NoSchedule', 'PreferNoSchedule']],
  [['V1Toleration.operator'], ['Equal', 'Exists']],
  [['V1TopologySpreadConstraint.nodeAffinityPolicy', 'V1TopologySpreadConstraint.nodeTaintsPolicy'], ['Honor', 'Ignore']],
  [['V1TopologySpreadConstraint.whenUnsatisfiable'], ['DoNotSchedule', 'ScheduleAnyway']],
  [['V1VolumeMount.mountPropagation'], ['Bidirectional', 'HostToContainer', 'None']],
  [['V1ContainerStatus.stopSignal', 'V1Lifecycle.stopSignal'], SIGNALS],
];

/** By `V1Container.imagePullPolicy`. */
export const ENUMS: ReadonlyMap<string, readonly string[]> = new Map(ROWS.flatMap(([fields, values]) => fields.map((field) => [field, values])));
