/**
 * What Kubernetes' API server fills in, by model, so that a pod in a Deployment's template is filled in like a pod. The
 * values are Kubernetes' v1 defaults. A function may rely on its own model's fields being of their types.
 */
type Fields = Record<string, unknown>;

export const DEFAULTS: Readonly<Record<string, (fields: Fields) => void>> = {
  V1PodSpec: (spec) => {
    setDefaults(spec, {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
    });
    spec['securityContext'] ??= {};
    if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] ??= spec['serviceAccountName'];
    else if (spec['serviceAccount'] !== undefined) spec['serviceAccountName'] = spec['serviceAccount'];
    if (spec['hostNetwork'] === true) for (const container of listOf(spec['containers'])) setHostPorts(container);
  },
  V1Container: defaultContainer,
  V1EphemeralContainer: defaultContainer,
  V1ContainerPort: (port) => setDefaults(port, { protocol: 'TCP' }),
  V1ResourceRequirements: (resources) => {
    if (resources['limits'] === undefined) return;
    // A container that only says its limit asks for as much.
    resources['requests'] = { ...(resources['limits'] as Fields), ...(resources['requests'] as Fields | undefined) };
  },
  V1Probe: (probe) => setDefaults(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }),
  V1HTTPGetAction: (get) => setDefaults(get, { path: '/', scheme: 'HTTP' }),
  V1GRPCAction: (grpc) => setDefaults(grpc, { service: '' }),
  V1ObjectFieldSelector: (selector) => setDefaults(selector, { apiVersion: 'v1' }),
  V1ResourceFieldSelector: (selector) => setDefaults(selector, { divisor: '0' }),
  V1Volume: (volume) => {
    const sources = Object.keys(volume).filter((field) => field !== 'name');
    if (sources.length === 0) volume['emptyDir'] = {};
  },
  V1ConfigMapVolumeSource: (source) => setDefaults(source, { defaultMode: 0o644 }),
  V1SecretVolumeSource: (source) => setDefaults(source, { defaultMode: 0o644 }),
  V1ProjectedVolumeSource: (source) => setDefaults(source, { defaultMode: 0o644 }),
  V1DownwardAPIVolumeSource: (source) => setDefaults(source, { defaultMode: 0o644 }),
  V1HostPathVolumeSource: (source) => setDefaults(source, { type: '' }),
  V1DeploymentSpec: (spec) => {
    setDefaults(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    spec['strategy'] ??= {};
  },
  V1DeploymentStrategy: (strategy) => {
    setDefaults(strategy, { type: 'RollingUpdate' });
    if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] ??= {};
  },
  V1RollingUpdateDeployment: (update) => setDefaults(update, { maxUnavailable: '25%', maxSurge: '25%' }),
  V1ReplicaSetSpec: (spec) => {
    setDefaults(spec, { replicas: 1 });
    spec['template'] ??= {};
  },
  V1ReplicationControllerSpec: (spec) => {
    setDefaults(spec, { replicas: 1 });
    const labels = metadataOf(spec['template'])['labels'];
    if (spec['selector'] === undefined && labels !== undefined) spec['selector'] = labels;
  },
  V1StatefulSetSpec: (spec) => {
    setDefaults(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: 'OrderedReady' });
    spec['updateStrategy'] ??= {};
    spec['persistentVolumeClaimRetentionPolicy'] ??= {};
  },
  V1StatefulSetUpdateStrategy: (strategy) => {
    setDefaults(strategy, { type: 'RollingUpdate' });
    if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] ??= {};
  },
  V1RollingUpdateStatefulSetStrategy: (update) => setDefaults(update, { partition: 0 }),
  V1StatefulSetPersistentVolumeClaimRetentionPolicy: (policy) => setDefaults(policy, { whenDeleted: 'Retain', whenScaled: 'Retain' }),
  V1DaemonSetSpec: (spec) => {
    setDefaults(spec, { revisionHistoryLimit: 10 });
    spec['updateStrategy'] ??= {};
  },
  V1DaemonSetUpdateStrategy: (strategy) => {
    setDefaults(strategy, { type: 'RollingUpdate' });
    if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] ??= {};
  },
  V1RollingUpdateDaemonSet: (update) => setDefaults(update, { maxUnavailable: 1, maxSurge: 0 }),
  V1JobSpec: (spec) => {
    // Neither says how many: one pod. Only parallelism: a queue that says itself when it is done.
    if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
    setDefaults(spec, { parallelism: 1, completionMode: 'NonIndexed', suspend: false });
    setDefaults(spec, { backoffLimit: spec['backoffLimitPerIndex'] === undefined ? 6 : 2_147_483_647 });
    setDefaults(spec, { podReplacementPolicy: spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed' });
  },
  V1CronJobSpec: (spec) => setDefaults(spec, { concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 }),
  V2HorizontalPodAutoscalerSpec: (spec) => {
    setDefaults(spec, { minReplicas: 1 });
    spec['metrics'] ??= [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }];
  },
  V1PersistentVolumeSpec: (spec) => setDefaults(spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' }),
  V1PersistentVolumeClaimSpec: (spec) => setDefaults(spec, { volumeMode: 'Filesystem' }),
  V1StorageClass: (storage) => setDefaults(storage, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  V1CSIDriverSpec: (spec) => {
    setDefaults(spec, { attachRequired: true, podInfoOnMount: false, storageCapacity: false, fsGroupPolicy: 'ReadWriteOnceWithFSType', requiresRepublish: false, seLinuxMount: false });
    spec['volumeLifecycleModes'] ??= ['Persistent'];
  },
  V1NetworkPolicySpec: (spec) => {
    spec['policyTypes'] ??= ['Ingress', ...(spec['egress'] === undefined ? [] : ['Egress'])];
    spec['podSelector'] ??= {};
  },
  V1NetworkPolicyPort: (port) => setDefaults(port, { protocol: 'TCP' }),
  V1RoleRef: (ref) => setDefaults(ref, { apiGroup: 'rbac.authorization.k8s.io' }),
  RbacV1Subject: (subject) => setDefaults(subject, { apiGroup: subject['kind'] === 'ServiceAccount' ? '' : 'rbac.authorization.k8s.io' }),
  V1PriorityClass: (priority) => setDefaults(priority, { preemptionPolicy: 'PreemptLowerPriority' }),
  V1LimitRangeItem: (item) => {
    // What is not said of requests follows from limits, and the other way round from the maximum.
    if (item['type'] !== 'Container') return;
    const limits = { ...(item['max'] as Fields | undefined), ...(item['default'] as Fields | undefined) };
    if (Object.keys(limits).length > 0) item['default'] = limits;
    const requests = { ...(item['min'] as Fields | undefined), ...limits, ...(item['defaultRequest'] as Fields | undefined) };
    if (Object.keys(requests).length > 0) item['defaultRequest'] = requests;
  },
  V1ServiceSpec: (spec) => {
    setDefaults(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
    if (spec['type'] !== 'ExternalName') setDefaults(spec, { internalTrafficPolicy: 'Cluster' });
    if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') setDefaults(spec, { externalTrafficPolicy: 'Cluster' });
    if (spec['type'] === 'LoadBalancer') setDefaults(spec, { allocateLoadBalancerNodePorts: true });
    if (spec['sessionAffinity'] === 'ClientIP') spec['sessionAffinityConfig'] ??= { clientIP: { timeoutSeconds: 10_800 } };
  },
  V1PodTemplate: (object) => (object['template'] ??= {}),
  V1ServicePort: (port) => {
    setDefaults(port, { protocol: 'TCP' });
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') {
      if (port['port'] !== undefined) port['targetPort'] = port['port'];
    }
  },
  V1EndpointSubset: (subset) => {
    for (const port of listOf(subset['ports'])) setDefaults(port, { protocol: 'TCP' });
  },
  DiscoveryV1EndpointPort: (port) => setDefaults(port, { name: '', protocol: 'TCP' }),
  V1Secret: (secret) => setDefaults(secret, { type: 'Opaque' }),
  V1NodeStatus: (status) => (status['allocatable'] ??= status['capacity'] ?? {}),
};

function defaultContainer(container: Fields): void {
  setDefaults(container, {
    imagePullPolicy: isLatest(container['image']) ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  container['resources'] ??= {};
}

function setDefaults(fields: Fields, defaults: Fields): void {
  for (const [name, value] of Object.entries(defaults)) {
    const present = fields[name];
    // Go cannot tell an empty string of an enumeration from one that was left out.
    if (present === undefined || (present === '' && value !== '')) fields[name] = value;
  }
}

function metadataOf(value: unknown): Fields {
  const template = (value ?? {}) as Fields; // decoded: a record
  return (template['metadata'] ?? {}) as Fields;
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : []; // decoded: a list of records
}

function setHostPorts(container: Fields): void {
  for (const port of listOf(container['ports'])) port['hostPort'] ??= port['containerPort'];
}

function isLatest(image: unknown): boolean {
  if (typeof image !== 'string' || image === '' || image.includes('@')) return false;
  const last = image.slice(image.lastIndexOf('/') + 1);
  return !last.includes(':') || last.endsWith(':latest');
}
