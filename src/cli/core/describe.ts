/**
 * `describe`, laid out as kubectl's: a field a line, two spaces an indentation, values in one column. A kind that has
 * no page of its own is shown field by field.
 */
import { formatQuantity, parseQuantity } from '../../kube/quantity.ts';
import { formatAge } from '../../kube/age.ts';
import { podReason } from '../../kube/pod-reason.ts';
import { at, list, number, pairs, record, text, type View } from './view.ts';

export interface Described {
  readonly object: View;
  /** Absent: nobody asks for them. */
  readonly events?: readonly View[] | undefined;
  /** A node's pods; a Deployment's ReplicaSets; a Service's EndpointSlices. */
  readonly related: readonly View[];
  readonly nowMs: number;
}

/** A line is a label and a value; the labels of one page are padded to one width. */
type Line = readonly [label: string, value: string] | readonly [line: string];

export function describeObject(resource: string, described: Described): string {
  const page = PAGES[resource] ?? anyPage;
  const lines = [...page(described), ...eventLines(described)];
  return `${layOut(lines)}\n`;
}

const PAGES: Readonly<Record<string, (described: Described) => Line[]>> = {
  pods: podPage,
  deployments: deploymentPage,
  replicasets: replicaSetPage,
  services: servicePage,
  nodes: nodePage,
  configmaps: configMapPage,
  secrets: secretPage,
};

function layOut(lines: readonly Line[]): string {
  const width = Math.max(...lines.map((line) => (line.length === 2 ? line[0].length : 0))) + 2;
  return lines.map((line) => (line.length === 2 ? `${line[0].padEnd(width)}${line[1]}`.trimEnd() : line[0])).join('\n');
}

/** Several values under one label, one below the other. */
function many(label: string, values: readonly string[]): Line[] {
  if (values.length === 0) return [[label, '<none>']];
  return values.map((value, i) => [i === 0 ? label : '', value]);
}

function map(label: string, value: unknown, separator = '='): Line[] {
  const entries = Object.entries(record(value)).sort(([a], [b]) => (a < b ? -1 : 1));
  return many(label, entries.map(([key, one]) => `${key}${separator}${text(one)}`));
}

function head({ object: { metadata } }: Described): Line[] {
  const annotations = Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration'),
  );
  return [
    ['Name:', metadata.name],
    ...(metadata.namespace === undefined ? [] : ([['Namespace:', metadata.namespace]] as const)),
    ...map('Labels:', metadata.labels),
    ...map('Annotations:', annotations, ': '),
  ];
}

function owner({ metadata }: View): Line[] {
  const controller = metadata.ownerReferences?.find((one) => one.controller === true);
  return controller === undefined ? [] : [['Controlled By:', `${controller.kind}/${controller.name}`]];
}

function podPage(described: Described): Line[] {
  const { object: pod } = described;
  const node = text(at(pod, 'spec', 'nodeName'));
  const host = text(at(pod, 'status', 'hostIP'));
  const message = text(at(pod, 'status', 'message'));
  const reason = text(at(pod, 'status', 'reason'));
  return [
    ...head(described).slice(0, 2),
    ['Service Account:', text(at(pod, 'spec', 'serviceAccountName'), 'default')],
    ['Node:', node === '' ? '<none>' : `${node}${host === '' ? '' : `/${host}`}`],
    ['Start Time:', time(at(pod, 'status', 'startTime'))],
    ...head(described).slice(2),
    ['Status:', podReason(pod) === 'Terminating' ? `Terminating (lasts ${formatAge(pod.metadata.deletionTimestamp, described.nowMs)})` : text(at(pod, 'status', 'phase'))],
    ...(reason === '' ? [] : ([['Reason:', reason]] as const)),
    ...(message === '' ? [] : ([['Message:', message]] as const)),
    ['IP:', text(at(pod, 'status', 'podIP'))],
    ...owner(pod),
    ...containerLines('Init Containers:', at(pod, 'spec', 'initContainers'), at(pod, 'status', 'initContainerStatuses')),
    ...containerLines('Containers:', at(pod, 'spec', 'containers'), at(pod, 'status', 'containerStatuses')),
    ['Conditions:'],
    ...conditionTable(list(at(pod, 'status', 'conditions')), ['type', 'status']),
    ...volumeLines(at(pod, 'spec', 'volumes')),
    ...map('Node-Selectors:', at(pod, 'spec', 'nodeSelector')),
    ...many('Tolerations:', list(at(pod, 'spec', 'tolerations')).map(tolerationText)),
  ];
}

function containerLines(title: string, specs: unknown, statuses: unknown): Line[] {
  const containers = list(specs);
  if (containers.length === 0) return [];
  return [
    [title],
    ...containers.flatMap((container): Line[] => {
      const name = text(at(container, 'name'));
      const status = list(statuses).find((one) => at(one, 'name') === name);
      const ports = list(at(container, 'ports')).map((port) => `${text(at(port, 'containerPort'))}/${text(at(port, 'protocol'), 'TCP')}`);
      const words = (field: string) => list(at(container, field)).map((word) => text(word));
      return [
        [`  ${name}:`],
        ['    Container ID:', text(at(status, 'containerID'))],
        ['    Image:', text(at(container, 'image'))],
        [ports.length > 1 ? '    Ports:' : '    Port:', ports.length === 0 ? '<none>' : ports.join(', ')],
        ...(words('command').length === 0 ? [] : block('    Command:', words('command'))),
        ...(words('args').length === 0 ? [] : block('    Args:', words('args'))),
        ...stateLines('    State:', at(status, 'state')),
        ...(at(status, 'lastState', 'terminated') === undefined ? [] : stateLines('    Last State:', at(status, 'lastState'))),
        ['    Ready:', at(status, 'ready') === true ? 'True' : 'False'],
        ['    Restart Count:', String(number(at(status, 'restartCount')))],
        ...resourceLines('    Limits:', at(container, 'resources', 'limits')),
        ...resourceLines('    Requests:', at(container, 'resources', 'requests')),
        ...probeLine('    Liveness:', at(container, 'livenessProbe')),
        ...probeLine('    Readiness:', at(container, 'readinessProbe')),
        ...probeLine('    Startup:', at(container, 'startupProbe')),
        ...environmentLines(at(container, 'env')),
        ...mountLines(at(container, 'volumeMounts')),
      ];
    }),
  ];
}

function block(title: string, words: readonly string[]): Line[] {
  return [[title], ...words.flatMap((word) => word.split('\n')).map((line): Line => [`      ${line}`])];
}

function stateLines(title: string, state: unknown): Line[] {
  const running = at(state, 'running');
  if (running !== undefined) return [[title, 'Running'], ['      Started:', time(at(running, 'startedAt'))]];
  const waiting = at(state, 'waiting');
  if (waiting !== undefined) {
    const message = text(at(waiting, 'message'));
    return [
      [title, 'Waiting'],
      ['      Reason:', text(at(waiting, 'reason'))],
      ...(message === '' ? [] : ([['      Message:', message]] as const)),
    ];
  }
  const ended = at(state, 'terminated');
  if (ended === undefined) return [[title, 'Waiting']];
  return [
    [title, 'Terminated'],
    ['      Reason:', text(at(ended, 'reason'))],
    ['      Exit Code:', text(at(ended, 'exitCode'))],
    ['      Started:', time(at(ended, 'startedAt'))],
    ['      Finished:', time(at(ended, 'finishedAt'))],
  ];
}

function resourceLines(title: string, value: unknown): Line[] {
  const entries = Object.entries(record(value));
  return entries.length === 0 ? [] : [[title], ...entries.map(([key, amount]): Line => [`      ${key}:`, text(amount)])];
}

function probeLine(title: string, probe: unknown): Line[] {
  if (probe === undefined) return [];
  const http = at(probe, 'httpGet');
  const tcp = at(probe, 'tcpSocket');
  const what =
    http !== undefined
      ? `http-get ${text(at(http, 'scheme'), 'http').toLowerCase()}://${text(at(http, 'host'))}:${text(at(http, 'port'))}${text(at(http, 'path'), '/')}`
      : tcp !== undefined
        ? `tcp-socket ${text(at(tcp, 'host'))}:${text(at(tcp, 'port'))}`
        : `exec [${list(at(probe, 'exec', 'command')).map((word) => text(word)).join(' ')}]`;
  const of = (field: string, fallback: number) => number(at(probe, field), fallback);
  const timing = `delay=${of('initialDelaySeconds', 0)}s timeout=${of('timeoutSeconds', 1)}s period=${of('periodSeconds', 10)}s`;
  return [[title, `${what} ${timing} #success=${of('successThreshold', 1)} #failure=${of('failureThreshold', 3)}`]];
}

function environmentLines(env: unknown): Line[] {
  const variables = list(env);
  if (variables.length === 0) return [['    Environment:', '<none>']];
  return [
    ['    Environment:'],
    ...variables.map((variable): Line => {
      const from = record(at(variable, 'valueFrom'));
      const field = at(from['fieldRef'], 'fieldPath');
      const reference = from['configMapKeyRef'] ?? from['secretKeyRef'];
      const value =
        field !== undefined
          ? ` (${text(at(from['fieldRef'], 'apiVersion'), 'v1')}:${text(field)})`
          : reference !== undefined
            ? `<set to the key '${text(at(reference, 'key'))}' of ${'configMapKeyRef' in from ? 'config map' : 'secret'} '${text(at(reference, 'name'))}'>`
            : text(at(variable, 'value'));
      return [`      ${text(at(variable, 'name'))}:`, value];
    }),
  ];
}

function mountLines(mounts: unknown): Line[] {
  const all = list(mounts);
  if (all.length === 0) return [['    Mounts:', '<none>']];
  const access = (mount: unknown) => (at(mount, 'readOnly') === true ? 'ro' : 'rw');
  const lines = all.map((mount) => `      ${text(at(mount, 'mountPath'))} from ${text(at(mount, 'name'))} (${access(mount)})`);
  return [['    Mounts:'], ...lines.map((line): Line => [line])];
}

function volumeLines(volumes: unknown): Line[] {
  const all = list(volumes);
  if (all.length === 0) return [['Volumes:', '<none>']];
  return [
    ['Volumes:'],
    ...all.flatMap((volume): Line[] => {
      const [type = 'unknown', source] = Object.entries(record(volume)).find(([key]) => key !== 'name') ?? [];
      const name = text(at(source, 'name')) || text(at(source, 'secretName')) || text(at(source, 'path'));
      return [
        [`  ${text(at(volume, 'name'))}:`],
        ['    Type:', type],
        ...(name === '' ? [] : ([['    Name:', name]] as const)),
      ];
    }),
  ];
}

function tolerationText(toleration: unknown): string {
  const { key, operator, value, effect, tolerationSeconds } = record(toleration);
  const what = `${text(key)}${text(value) === '' ? '' : `=${text(value)}`}${text(effect) === '' ? '' : `:${text(effect)}`}`;
  const exists = operator === 'Exists' ? ' op=Exists' : '';
  return `${what}${exists}${tolerationSeconds === undefined ? '' : ` for ${text(tolerationSeconds)}s`}`;
}

function deploymentPage(described: Described): Line[] {
  const { object: deployment, related, nowMs } = described;
  const status = (field: string) => number(at(deployment, 'status', field));
  const rolling = at(deployment, 'spec', 'strategy', 'rollingUpdate');
  const sets = related.filter((one) => number(at(one, 'spec', 'replicas')) > 0);
  return [
    ...head(described).slice(0, 2),
    ['CreationTimestamp:', time(deployment.metadata.creationTimestamp)],
    ...head(described).slice(2),
    ...map('Selector:', at(deployment, 'spec', 'selector', 'matchLabels')),
    [
      'Replicas:',
      `${number(at(deployment, 'spec', 'replicas'), 1)} desired | ${status('updatedReplicas')} updated | ` +
        `${status('replicas')} total | ${status('availableReplicas')} available | ${status('unavailableReplicas')} unavailable`,
    ],
    ['StrategyType:', text(at(deployment, 'spec', 'strategy', 'type'))],
    ['MinReadySeconds:', String(number(at(deployment, 'spec', 'minReadySeconds')))],
    ...(rolling === undefined
      ? []
      : ([
          ['RollingUpdateStrategy:', `${text(at(rolling, 'maxUnavailable'))} max unavailable, ${text(at(rolling, 'maxSurge'))} max surge`],
        ] as const)),
    ...templatePage(at(deployment, 'spec', 'template')),
    ['Conditions:'],
    ...conditionTable(list(at(deployment, 'status', 'conditions')), ['type', 'status', 'reason']),
    ...many(
      'ReplicaSets:',
      sets.map((one) => {
        const counts = `${number(at(one, 'status', 'replicas'))}/${number(at(one, 'spec', 'replicas'))} replicas`;
        return `${one.metadata.name} (${counts} created, ${formatAge(one.metadata.creationTimestamp, nowMs)})`;
      }),
    ),
  ];
}

function replicaSetPage(described: Described): Line[] {
  const { object: set, related } = described;
  const byPhase = (phase: string) => related.filter((pod) => at(pod, 'status', 'phase') === phase).length;
  return [
    ...head(described).slice(0, 2),
    ['Selector:', pairs(at(set, 'spec', 'selector', 'matchLabels'))],
    ...head(described).slice(2),
    ...owner(set),
    ['Replicas:', `${number(at(set, 'status', 'replicas'))} current / ${number(at(set, 'spec', 'replicas'))} desired`],
    [
      'Pods Status:',
      `${byPhase('Running')} Running / ${byPhase('Pending')} Waiting / ${byPhase('Succeeded')} Succeeded / ${byPhase('Failed')} Failed`,
    ],
    ...templatePage(at(set, 'spec', 'template')),
  ];
}

function templatePage(template: unknown): Line[] {
  const inner: Line[] = [
    ...map('Labels:', at(template, 'metadata', 'labels')),
    ...map('Annotations:', at(template, 'metadata', 'annotations'), ': '),
    ...containerLines('Containers:', at(template, 'spec', 'containers'), []).filter(
      ([label]) => !/^ {4}(Container ID|State|Ready|Restart Count):$/.test(label),
    ),
    ...volumeLines(at(template, 'spec', 'volumes')),
  ];
  const indented = inner.map((line): Line => (line.length === 2 ? [`  ${line[0]}`, line[1]] : [`  ${line[0]}`]));
  return [['Pod Template:'], ...indented];
}

function servicePage(described: Described): Line[] {
  const { object: service, related } = described;
  const ports = list(at(service, 'spec', 'ports')).flatMap((port): Line[] => {
    const { name, port: own, targetPort, nodePort, protocol } = record(port);
    const label = text(name, '<unset>') || '<unset>';
    const backends = related.flatMap((slice) => {
      const slicePort = list(slice['ports']).find((one) => text(at(one, 'name')) === text(name));
      return list(slice['endpoints'])
        .filter((endpoint) => at(endpoint, 'conditions', 'ready') !== false)
        .flatMap((endpoint) => list(at(endpoint, 'addresses')).map((one) => `${text(one)}:${text(at(slicePort, 'port'))}`));
    });
    return [
      ['Port:', `${label}  ${text(own)}/${text(protocol, 'TCP')}`],
      ['TargetPort:', `${text(targetPort)}/${text(protocol, 'TCP')}`],
      ...(number(nodePort) === 0 ? [] : ([['NodePort:', `${label}  ${text(nodePort)}/${text(protocol, 'TCP')}`]] as const)),
      ['Endpoints:', backends.join(',')],
    ];
  });
  return [
    ...head(described),
    ['Selector:', pairs(at(service, 'spec', 'selector'))],
    ['Type:', text(at(service, 'spec', 'type'))],
    ['IP:', text(at(service, 'spec', 'clusterIP'))],
    ...ports,
    ['Session Affinity:', text(at(service, 'spec', 'sessionAffinity'), 'None')],
  ];
}

function nodePage(described: Described): Line[] {
  const { object: node, related: pods, nowMs } = described;
  const taints = list(at(node, 'spec', 'taints')).map((taint) => {
    const { key, value, effect } = record(taint);
    return `${text(key)}${text(value) === '' ? '' : `=${text(value)}`}:${text(effect)}`;
  });
  const amounts = (title: string, value: unknown): Line[] => [
    [title],
    ...Object.entries(record(value)).map(([key, amount]): Line => [`  ${key}:`, text(amount)]),
  ];
  const running = pods.filter((pod) => !['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase'))));
  const rows = running.map((pod) => [
    pod.metadata.namespace ?? '',
    pod.metadata.name,
    formatQuantity(requestsOf(pod, 'cpu')),
    formatQuantity(requestsOf(pod, 'memory')),
    formatAge(pod.metadata.creationTimestamp, nowMs),
  ]);
  return [
    ...head(described),
    ['CreationTimestamp:', time(node.metadata.creationTimestamp)],
    ...many('Taints:', taints),
    ['Unschedulable:', String(at(node, 'spec', 'unschedulable') === true)],
    ['Conditions:'],
    ...conditionTable(list(at(node, 'status', 'conditions')), ['type', 'status', 'lastHeartbeatTime', 'reason', 'message']),
    ['Addresses:'],
    ...list(at(node, 'status', 'addresses')).map((one): Line => [`  ${text(at(one, 'type'))}:`, text(at(one, 'address'))]),
    ...amounts('Capacity:', at(node, 'status', 'capacity')),
    ...amounts('Allocatable:', at(node, 'status', 'allocatable')),
    ['System Info:'],
    ...Object.entries(record(at(node, 'status', 'nodeInfo'))).map(([key, value]): Line => [`  ${key}:`, text(value)]),
    ['PodCIDR:', text(at(node, 'spec', 'podCIDR'))],
    [`Non-terminated Pods:          (${running.length} in total)`],
    ...indentedTable([['Namespace', 'Name', 'CPU Requests', 'Memory Requests', 'Age'], ...rows]),
  ];
}

/** What a pod asks for, in nano-units: its containers together, or its largest init container if that is more. */
export function requestsOf(pod: View, resource: string): bigint {
  const amounts = (field: string) => {
    return list(at(pod, 'spec', field)).map((container) => parseQuantity(text(at(container, 'resources', 'requests', resource), '0')) ?? 0n);
  };
  const together = amounts('containers').reduce((sum, amount) => sum + amount, 0n);
  return amounts('initContainers').reduce((most, amount) => (amount > most ? amount : most), together);
}

function configMapPage(described: Described): Line[] {
  const entries = Object.entries(record(described.object['data']));
  const data = entries.flatMap(([key, value]): Line[] => [[`${key}:`], ['----'], [text(value)], ['']]);
  return [...head(described), [''], ['Data'], ['===='], ...data];
}

function secretPage(described: Described): Line[] {
  const entries = Object.entries(record(described.object['data']));
  // Sizes, not contents: a page that is shown to a neighbour must not leak them.
  const size = (value: unknown) => Math.floor((text(value).replace(/=+$/, '').length * 3) / 4);
  const lines = entries.map(([key, value]): Line => [`${key}:`, `${size(value)} bytes`]);
  return [...head(described), ['Type:', text(described.object['type'], 'Opaque')], [''], ['Data'], ['===='], ...lines];
}

function anyPage(described: Described): Line[] {
  const { metadata, apiVersion, kind, ...rest } = described.object;
  return [
    ...head(described),
    ['API Version:', apiVersion],
    ['Kind:', kind],
    ['Creation Timestamp:', text(metadata.creationTimestamp)],
    ...fieldLines(rest, ''),
  ];
}

function fieldLines(value: unknown, indent: string): Line[] {
  return Object.entries(record(value)).flatMap(([key, one]): Line[] => {
    const label = `${indent}${key.charAt(0).toUpperCase()}${key.slice(1)}:`;
    if (Array.isArray(one)) {
      const items = list(one).flatMap((item) => (typeof item === 'object' ? fieldLines(item, `${indent}  `) : [[`${indent}  ${text(item)}`] as const]));
      return [[label], ...items];
    }
    return typeof one === 'object' && one !== null ? [[label], ...fieldLines(one, `${indent}  `)] : [[label, text(one)]];
  });
}

/** As kubectl writes a time: "Fri, 27 Nov 2026 01:01:24 +0000". */
function time(value: unknown): string {
  const ms = Date.parse(text(value));
  return Number.isNaN(ms) ? '<unset>' : new Date(ms).toUTCString().replace('GMT', '+0000');
}

function conditionTable(conditions: readonly unknown[], fields: readonly string[]): Line[] {
  const titles = fields.map((field) => `${field.charAt(0).toUpperCase()}${field.slice(1)}`);
  return indentedTable([titles, ...conditions.map((condition) => fields.map((field) => text(at(condition, field))))]);
}

function indentedTable(rows: readonly (readonly string[])[]): Line[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i]! + 2)).join('').trimEnd();
  const ruled = [rows[0]!, rows[0]!.map((title) => '-'.repeat(title.length)), ...rows.slice(1)];
  return ruled.map((row): Line => [`  ${line(row)}`]);
}

function eventLines({ events, nowMs }: Described): Line[] {
  if (events === undefined) return [];
  if (events.length === 0) return [['Events:', '<none>']];
  const rows = [...events]
    .sort((a, b) => (eventTime(a) < eventTime(b) ? -1 : 1))
    .map((event) => {
      const count = number(event['count'], 1);
      const seen = formatAge(eventTime(event), nowMs);
      const span = count > 1 ? `${seen} (x${count} over ${formatAge(text(event['firstTimestamp']), nowMs)})` : seen;
      const from = text(at(event, 'source', 'component')) || text(event['reportingComponent']);
      return [text(event['type']), text(event['reason']), span, from, text(event['message']).trim()];
    });
  return [['Events:'], ...indentedTable([['Type', 'Reason', 'Age', 'From', 'Message'], ...rows])];
}

/** When it was last seen. */
export function eventTime(event: View): string {
  const times = [at(event, 'series', 'lastObservedTime'), event['lastTimestamp'], event['eventTime'], event.metadata.creationTimestamp];
  return text(times.find((time) => typeof time === 'string' && time !== ''));
}
