/**
 * What Kubernetes' API server fills in, by model, so that a pod in a Deployment's template is filled in like a pod. The
 * values are Kubernetes' v1 defaults. A function may rely on its own model's fields being of their types.
 */
type Fields = Record<string, unknown>;

export const DEFAULTS: Readonly<Record<string, (fields: Fields) => void>> = {
  // What a template's pods will be given, the template is not.
  V1Pod: (pod) => {
    const spec = fieldsOf(pod['spec']);
    setDefaults(spec, { enableServiceLinks: true });
    for (const container of [...listOf(spec['containers']), ...listOf(spec['initContainers'])]) {
      const resources = fieldsOf(container['resources']);
      // A container that only says its limit asks for as much.
      if (resources['limits'] !== undefined) resources['requests'] = { ...fieldsOf(resources['limits']), ...fieldsOf(resources['requests']) };
      if (spec['hostNetwork'] === true) setHostPorts(container);
    }
  },
  V1PodSpec: (spec) => {
    setDefaults(spec, {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
    });
    spec['securityContext'] ??= {};
    if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] ??= spec['serviceAccountName'];
    else if (spec['serviceAccount'] !== undefined) spec['serviceAccountName'] = spec['serviceAccount'];
  },
  V1Container: defaultContainer,
  V1EphemeralContainer: defaultContainer,
  V1ContainerPort: (port) => setDefaults(port, { protocol: 'TCP' }),
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
  V1ISCSIVolumeSource: (source) => setDefaults(source, { iscsiInterface: 'default' }),
  V1ISCSIPersistentVolumeSource: (source) => setDefaults(source, { iscsiInterface: 'default' }),
  V1RBDVolumeSource: (source) => setDefaults(source, RBD),
  V1RBDPersistentVolumeSource: (source) => setDefaults(source, RBD),
  V1AzureDiskVolumeSource: (source) => setDefaults(source, { cachingMode: 'ReadWrite', fsType: 'ext4', readOnly: false, kind: 'Shared' }),
  V1ScaleIOVolumeSource: (source) => setDefaults(source, { storageMode: 'ThinProvisioned', fsType: 'xfs' }),
  V1ScaleIOPersistentVolumeSource: (source) => setDefaults(source, { storageMode: 'ThinProvisioned', fsType: 'xfs' }),
  V1ImageVolumeSource: (source) => setDefaults(source, { pullPolicy: isLatest(source['reference']) ? 'Always' : 'IfNotPresent' }),
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
  V1ReplicationController: (controller) => {
    const labels = metadataOf(fieldsOf(controller['spec'])['template'])['labels'];
    const metadata = fieldsOf(controller['metadata']);
    if (metadata['labels'] === undefined && labels !== undefined) metadata['labels'] = { ...fieldsOf(labels) };
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
    for (const claim of listOf(spec['volumeClaimTemplates'])) setDefaults(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim' });
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
  // Not those in the template of a CronJob.
  V1Job: (job) => {
    const spec = fieldsOf(job['spec']);
    // Neither says how many: one pod. Only parallelism: a queue that says itself when it is done.
    if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
    setDefaults(spec, { parallelism: 1, completionMode: 'NonIndexed', suspend: false, manualSelector: false });
    setDefaults(spec, { backoffLimit: spec['backoffLimitPerIndex'] === undefined ? 6 : 2_147_483_647 });
    setDefaults(spec, { podReplacementPolicy: spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed' });
  },
  V1PodFailurePolicyOnPodConditionsPattern: (pattern) => setDefaults(pattern, { status: 'True' }),
  V1CronJobSpec: (spec) => setDefaults(spec, { concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 }),
  V2HorizontalPodAutoscalerSpec: (spec) => {
    setDefaults(spec, { minReplicas: 1 });
    spec['metrics'] ??= [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }];
  },
  V2HorizontalPodAutoscalerBehavior: (behavior) => {
    behavior['scaleUp'] = { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, { type: 'Percent', value: 100, periodSeconds: 15 }], ...fieldsOf(behavior['scaleUp']) };
    behavior['scaleDown'] = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }], ...fieldsOf(behavior['scaleDown']) };
  },
  V1PersistentVolumeClaim: (claim) => {
    claim['status'] ??= {};
    setDefaults(fieldsOf(claim['status']), { phase: 'Pending' });
    const spec = fieldsOf(claim['spec']);
    // The older name of where the data comes from, and the newer.
    if (spec['dataSource'] !== undefined) spec['dataSourceRef'] ??= { ...fieldsOf(spec['dataSource']) };
    else if (spec['dataSourceRef'] !== undefined && fieldsOf(spec['dataSourceRef'])['namespace'] === undefined) spec['dataSource'] = { ...fieldsOf(spec['dataSourceRef']) };
  },
  V1VolumeAttachment: (attachment) => (attachment['status'] ??= { attached: false }),
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
  RbacV1Subject: (subject) => {
    if (subject['kind'] !== 'ServiceAccount') setDefaults(subject, { apiGroup: 'rbac.authorization.k8s.io' });
  },
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
  CoreV1Event: (event) => {
    event['source'] ??= {};
    setDefaults(event, { reportingComponent: '', reportingInstance: '' });
  },
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

const RBD: Fields = { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' };

/** Decoded: a record, or nothing. What is filled into nothing is lost. */
function fieldsOf(value: unknown): Fields {
  return (value ?? {}) as Fields;
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
