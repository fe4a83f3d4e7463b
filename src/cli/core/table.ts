/**
 * kubectl's tables: which columns a kind has, what stands in them, and how they are laid out (three spaces between
 * columns as wide as their widest cell). Columns marked `wide` appear with -o wide only.
 */
import { age, humanDuration } from './duration.ts';
import { at, findCondition, list, number, pairs, record, text, type View } from './view.ts';

export interface Column {
  readonly title: string;
  readonly wide?: boolean;
  readonly cell: (object: View, nowMs: number) => string;
}

const name: Column = { title: 'NAME', cell: ({ metadata }) => metadata.name };
const ageColumn: Column = { title: 'AGE', cell: ({ metadata }, nowMs) => age(metadata.creationTimestamp, nowMs) };
const column = (title: string, cell: Column['cell']): Column => ({ title, cell });
const wide = (title: string, cell: Column['cell']): Column => ({ title, cell, wide: true });

const containersOf = (object: View) => list(at(object, 'spec', 'template', 'spec', 'containers'));
const containers = wide('CONTAINERS', (object) => containersOf(object).map((one) => text(at(one, 'name'))).join(','));
const images = wide('IMAGES', (object) => containersOf(object).map((one) => text(at(one, 'image'))).join(','));
const selector = wide('SELECTOR', (object) => selectorText(at(object, 'spec', 'selector')));

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  pods: [
    name,
    column('READY', podReady),
    column('STATUS', podStatus),
    column('RESTARTS', podRestarts),
    ageColumn,
    wide('IP', (pod) => text(at(pod, 'status', 'podIP'), '<none>') || '<none>'),
    wide('NODE', (pod) => text(at(pod, 'spec', 'nodeName'), '<none>') || '<none>'),
    wide('NOMINATED NODE', (pod) => text(at(pod, 'status', 'nominatedNodeName'), '<none>') || '<none>'),
    wide('READINESS GATES', (pod) => {
      const gates = list(at(pod, 'spec', 'readinessGates'));
      if (gates.length === 0) return '<none>';
      const open = gates.filter((gate) => findCondition(pod, text(at(gate, 'conditionType')))?.['status'] === 'True');
      return `${open.length}/${gates.length}`;
    }),
  ],
  deployments: [
    name,
    column('READY', (object) => `${number(at(object, 'status', 'readyReplicas'))}/${number(at(object, 'spec', 'replicas'), 1)}`),
    column('UP-TO-DATE', (object) => String(number(at(object, 'status', 'updatedReplicas')))),
    column('AVAILABLE', (object) => String(number(at(object, 'status', 'availableReplicas')))),
    ageColumn,
    containers,
    images,
    selector,
  ],
  replicasets: [
    name,
    column('DESIRED', (object) => String(number(at(object, 'spec', 'replicas'), 1))),
    column('CURRENT', (object) => String(number(at(object, 'status', 'replicas')))),
    column('READY', (object) => String(number(at(object, 'status', 'readyReplicas')))),
    ageColumn,
    containers,
    images,
    selector,
  ],
  services: [
    name,
    column('TYPE', (object) => text(at(object, 'spec', 'type'), 'ClusterIP')),
    column('CLUSTER-IP', (object) => text(at(object, 'spec', 'clusterIP'), '<none>') || '<none>'),
    column('EXTERNAL-IP', externalAddress),
    column('PORT(S)', (object) => servicePorts(object)),
    ageColumn,
    wide('SELECTOR', (object) => pairs(at(object, 'spec', 'selector'))),
  ],
  nodes: [
    name,
    column('STATUS', nodeStatus),
    column('ROLES', nodeRoles),
    ageColumn,
    column('VERSION', (node) => text(at(node, 'status', 'nodeInfo', 'kubeletVersion'))),
    wide('INTERNAL-IP', (node) => nodeAddress(node, 'InternalIP')),
    wide('EXTERNAL-IP', (node) => nodeAddress(node, 'ExternalIP')),
    wide('OS-IMAGE', (node) => text(at(node, 'status', 'nodeInfo', 'osImage'), '<unknown>') || '<unknown>'),
    wide('KERNEL-VERSION', (node) => text(at(node, 'status', 'nodeInfo', 'kernelVersion'), '<unknown>') || '<unknown>'),
    wide('CONTAINER-RUNTIME', (node) => {
      return text(at(node, 'status', 'nodeInfo', 'containerRuntimeVersion'), '<unknown>') || '<unknown>';
    }),
  ],
  namespaces: [name, column('STATUS', (object) => text(at(object, 'status', 'phase'), 'Active')), ageColumn],
  configmaps: [
    name,
    column('DATA', (object) => String(sizeOf(object['data']) + sizeOf(object['binaryData']))),
    ageColumn,
  ],
  secrets: [
    name,
    column('TYPE', (object) => text(object['type'], 'Opaque')),
    column('DATA', (object) => String(sizeOf(object['data']))),
    ageColumn,
  ],
  serviceaccounts: [name, column('SECRETS', (object) => String(list(object['secrets']).length)), ageColumn],
  endpoints: [name, column('ENDPOINTS', endpointsText), ageColumn],
  endpointslices: [
    name,
    column('ADDRESSTYPE', (object) => text(object['addressType'])),
    column('PORTS', (object) => {
      const ports = list(object['ports']).map((port) => text(at(port, 'port'), '*'));
      return ports.length === 0 ? '<unset>' : shorten(ports, 3);
    }),
    column('ENDPOINTS', (object) => {
      const addresses = list(object['endpoints']).flatMap((endpoint) => list(at(endpoint, 'addresses')).map((one) => text(one)));
      return addresses.length === 0 ? '<unset>' : shorten(addresses, 3);
    }),
    ageColumn,
  ],
  leases: [name, column('HOLDER', (object) => text(at(object, 'spec', 'holderIdentity'))), ageColumn],
  events: [
    column('LAST SEEN', eventSeen),
    column('TYPE', (event) => text(event['type'])),
    column('REASON', (event) => text(event['reason'])),
    column('OBJECT', (event) => {
      const { kind, name: involved } = record(event['involvedObject'] ?? event['regarding']);
      return `${text(kind).toLowerCase()}/${text(involved)}`;
    }),
    wide('SUBOBJECT', (event) => text(at(event, 'involvedObject', 'fieldPath'))),
    wide('SOURCE', (event) => {
      const { component, host } = record(event['source']);
      return [text(component) || text(event['reportingComponent']), text(host)].filter((part) => part !== '').join(', ');
    }),
    column('MESSAGE', (event) => text(event['message'] ?? event['note']).trim()),
    wide('FIRST SEEN', (event, nowMs) => age(event['firstTimestamp'] ?? event.metadata.creationTimestamp, nowMs)),
    wide('COUNT', (event) => String(number(event['count'], 1))),
    wide('NAME', ({ metadata }) => metadata.name),
  ],
};

export interface TableOptions {
  readonly resource: string;
  readonly wide: boolean;
  readonly withNamespace: boolean;
  readonly showLabels: boolean;
  readonly nowMs: number;
  /** `pod/`, where several kinds are shown at once. */
  readonly namePrefix?: string;
}

/** The columns of a kind, in order, as asked for. Kinds that are not known here have a name and an age. */
export function columnsOf({ resource, wide: isWide, withNamespace, showLabels, namePrefix }: TableOptions): Column[] {
  const own = (COLUMNS[resource] ?? [name, ageColumn]).filter((one) => isWide || one.wide !== true);
  const named = own.map((one) => (one === name && namePrefix !== undefined ? column('NAME', ({ metadata }) => namePrefix + metadata.name) : one));
  return [
    ...(withNamespace ? [column('NAMESPACE', ({ metadata }) => metadata.namespace ?? '')] : []),
    ...named,
    ...(showLabels ? [column('LABELS', ({ metadata }) => pairs(metadata.labels))] : []),
  ];
}

export function tableRows(objects: readonly View[], options: TableOptions): string[][] {
  const columns = columnsOf(options);
  return objects.map((object) => columns.map(({ cell }) => cell(object, options.nowMs)));
}

export function tableTitles(options: TableOptions): string[] {
  return columnsOf(options).map(({ title }) => title);
}

/** Lays rows out; the last column is not padded. `widths` keeps the columns of a growing table in line. */
export function renderRows(rows: readonly (readonly string[])[], widths: number[] = []): string {
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]! + 3))).join('').trimEnd()}\n`)
    .join('');
}

export function renderTable(objects: readonly View[], options: TableOptions): string {
  return renderRows([tableTitles(options), ...tableRows(objects, options)]);
}

function sizeOf(value: unknown): number {
  return Object.keys(record(value)).length;
}

function selectorText(value: unknown): string {
  const matchLabels = record(at(value, 'matchLabels'));
  const expressions = list(at(value, 'matchExpressions')).map((one) => {
    const { key, operator, values } = record(one);
    const set = list(values).map((each) => text(each)).join(',');
    switch (operator) {
      case 'Exists':
        return text(key);
      case 'DoesNotExist':
        return `!${text(key)}`;
      default:
        return `${text(key)} ${text(operator).toLowerCase()} (${set})`;
    }
  });
  const labels = Object.keys(matchLabels).length === 0 ? [] : [pairs(matchLabels)];
  const all = [...labels, ...expressions];
  return all.length === 0 ? '<none>' : all.join(',');
}

/** Such as `Running`, `CrashLoopBackOff`, `Init:1/2`, `Terminating`: the rules of kubectl's printer, in its order. */
export function podStatus(pod: View): string {
  let reason = text(at(pod, 'status', 'reason')) || text(at(pod, 'status', 'phase'), 'Unknown');
  const gated = findCondition(pod, 'PodScheduled');
  if (gated?.['reason'] === 'SchedulingGated') reason = 'SchedulingGated';
  const init = list(at(pod, 'status', 'initContainerStatuses'));
  const initTotal = list(at(pod, 'spec', 'initContainers')).length;
  const waitingInit = init.findIndex((status) => at(status, 'state', 'terminated', 'exitCode') !== 0);
  const isInitializing = waitingInit >= 0;
  if (isInitializing) {
    const state = at(init[waitingInit], 'state');
    const terminated = record(at(state, 'terminated'));
    const waiting = text(at(state, 'waiting', 'reason'));
    if (Object.keys(terminated).length > 0) reason = `Init:${endReason(terminated)}`;
    else if (waiting !== '' && waiting !== 'PodInitializing') reason = `Init:${waiting}`;
    else reason = `Init:${waitingInit}/${initTotal}`;
  } else {
    let hasRunning = false;
    for (const status of [...list(at(pod, 'status', 'containerStatuses'))].reverse()) {
      const state = at(status, 'state');
      const waiting = text(at(state, 'waiting', 'reason'));
      const terminated = record(at(state, 'terminated'));
      if (waiting !== '') reason = waiting;
      else if (Object.keys(terminated).length > 0) reason = endReason(terminated);
      else if (at(status, 'ready') === true && at(state, 'running') !== undefined) hasRunning = true;
    }
    if (reason === 'Completed' && hasRunning) {
      reason = findCondition(pod, 'Ready')?.['status'] === 'True' ? 'Running' : 'NotReady';
    }
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    return text(at(pod, 'status', 'reason')) === 'NodeLost' ? 'Unknown' : 'Terminating';
  }
  return reason;
}

function endReason(terminated: Readonly<Record<string, unknown>>): string {
  if (text(terminated['reason']) !== '') return text(terminated['reason']);
  return number(terminated['signal']) !== 0 ? `Signal:${text(terminated['signal'])}` : `ExitCode:${text(terminated['exitCode'])}`;
}

function podReady(pod: View): string {
  const ready = list(at(pod, 'status', 'containerStatuses')).filter((status) => {
    return at(status, 'ready') === true && at(status, 'state', 'running') !== undefined;
  });
  return `${ready.length}/${list(at(pod, 'spec', 'containers')).length}`;
}

function podRestarts(pod: View, nowMs: number): string {
  const statuses = list(at(pod, 'status', 'containerStatuses'));
  const total = statuses.reduce((sum: number, status) => sum + number(at(status, 'restartCount')), 0);
  const ends = statuses.map((status) => Date.parse(text(at(status, 'lastState', 'terminated', 'finishedAt'))));
  const last = Math.max(...ends.filter((end) => !Number.isNaN(end)));
  return total === 0 || !Number.isFinite(last) ? String(total) : `${total} (${humanDuration(nowMs - last)} ago)`;
}

function nodeStatus(node: View): string {
  const status = findCondition(node, 'Ready')?.['status'];
  const ready = status === 'True' ? 'Ready' : status === undefined ? 'Unknown' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${ready},SchedulingDisabled` : ready;
}

function nodeRoles({ metadata }: View): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(metadata.labels ?? {}).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

function nodeAddress(node: View, type: string): string {
  const found = list(at(node, 'status', 'addresses')).find((address) => at(address, 'type') === type);
  return text(at(found, 'address'), '<none>');
}

function externalAddress(service: View): string {
  const given = list(at(service, 'spec', 'externalIPs')).map((one) => text(one));
  if (given.length > 0) return given.join(',');
  if (at(service, 'spec', 'type') === 'ExternalName') return text(at(service, 'spec', 'externalName'));
  return at(service, 'spec', 'type') === 'LoadBalancer' ? '<pending>' : '<none>';
}

function servicePorts(service: View): string {
  const ports = list(at(service, 'spec', 'ports')).map((port) => {
    const { port: own, nodePort, protocol } = record(port);
    return `${text(own)}${number(nodePort) === 0 ? '' : `:${text(nodePort)}`}/${text(protocol, 'TCP')}`;
  });
  return ports.length === 0 ? '<none>' : ports.join(',');
}

function endpointsText(endpoints: View): string {
  const all = list(endpoints['subsets']).flatMap((subset) => {
    const ports = list(at(subset, 'ports')).map((port) => text(at(port, 'port')));
    const addresses = list(at(subset, 'addresses')).map((address) => text(at(address, 'ip')));
    return addresses.flatMap((address) => (ports.length === 0 ? [address] : ports.map((port) => `${address}:${port}`)));
  });
  return all.length === 0 ? '<none>' : shorten(all, 3);
}

function shorten(all: readonly string[], max: number): string {
  return all.length <= max ? all.join(',') : `${all.slice(0, max).join(',')} + ${all.length - max} more...`;
}

export function eventTime(event: View): string {
  const times = [at(event, 'series', 'lastObservedTime'), event['lastTimestamp'], event['eventTime'], event.metadata.creationTimestamp];
  return text(times.find((time) => typeof time === 'string' && time !== ''));
}

function eventSeen(event: View, nowMs: number): string {
  const last = age(eventTime(event), nowMs);
  const count = number(event['count'], 1);
  const first = event['firstTimestamp'];
  return count > 1 && typeof first === 'string' ? `${last} (x${count} over ${age(first, nowMs)})` : last;
}
