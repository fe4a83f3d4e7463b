/** What each node may give, has promised and has left: cpu in cores, memory in the largest unit that says it well. */
import { parseQuantity } from '../../kube/quantity.ts';
import { requestsOf } from './describe.ts';
import { at, text, type View } from './view.ts';

const TITLES = [
  'NODE', 'STATUS', 'CPU', 'REQUESTED', 'FREE', 'MEMORY', 'REQUESTED', 'FREE', 'PODS', 'RUNNING', 'FREE',
] as const;

const NANO = 1_000_000_000n;

export function capacityRows(nodes: readonly View[], pods: readonly View[]): string[][] {
  const rows = nodes.map((node): Usage => usageOf(node, pods));
  const total = rows.reduce<Usage>(
    (sum, row) => ({
      ...sum,
      cpu: add(sum.cpu, row.cpu),
      memory: add(sum.memory, row.memory),
      pods: add(sum.pods, row.pods),
    }),
    { name: 'total', status: '', cpu: NOTHING, memory: NOTHING, pods: NOTHING },
  );
  return [[...TITLES], ...(rows.length > 1 ? [...rows, total] : rows).map(rowOf)];
}

interface Amount {
  readonly capacity: bigint;
  readonly requested: bigint;
}

interface Usage {
  readonly name: string;
  readonly status: string;
  readonly cpu: Amount;
  readonly memory: Amount;
  readonly pods: Amount;
}

const NOTHING: Amount = { capacity: 0n, requested: 0n };

function add(a: Amount, b: Amount): Amount {
  return { capacity: a.capacity + b.capacity, requested: a.requested + b.requested };
}

function usageOf(node: View, pods: readonly View[]): Usage {
  const own = pods.filter((pod) => {
    const isOver = ['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase')));
    return at(pod, 'spec', 'nodeName') === node.metadata.name && !isOver;
  });
  const amount = (resource: string, requested: bigint): Amount => {
    return { capacity: parseQuantity(text(at(node, 'status', 'allocatable', resource), '0')) ?? 0n, requested };
  };
  const sum = (resource: string) => own.reduce((total, pod) => total + requestsOf(pod, resource), 0n);
  const conditions = at(node, 'status', 'conditions');
  const ready = Array.isArray(conditions) ? conditions.find((one: unknown) => at(one, 'type') === 'Ready') : undefined;
  const status = at(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return {
    name: node.metadata.name,
    status: at(node, 'spec', 'unschedulable') === true ? `${status},SchedulingDisabled` : status,
    cpu: amount('cpu', sum('cpu')),
    memory: amount('memory', sum('memory')),
    pods: amount('pods', BigInt(own.length) * NANO),
  };
}

function rowOf({ name, status, cpu, memory, pods }: Usage): string[] {
  const cells = ({ capacity, requested }: Amount, show: (nano: bigint) => string) => {
    return [show(capacity), show(requested), show(capacity - requested)];
  };
  return [name, status, ...cells(cpu, cores), ...cells(memory, bytes), ...cells(pods, (nano) => String(nano / NANO))];
}

/** `4`, `250m`, `3750m`. */
function cores(nano: bigint): string {
  return nano % NANO === 0n ? String(nano / NANO) : `${nano / 1_000_000n}m`;
}

/** `4Gi`, `3968Mi`: the largest unit that leaves at most one digit behind the point. */
function bytes(nano: bigint): string {
  const amount = Number(nano / NANO);
  const units = ['Ti', 'Gi', 'Mi', 'Ki'];
  for (const [i, unit] of units.entries()) {
    const inUnit = amount / 1024 ** (units.length - i);
    if (Math.abs(inUnit) >= 1 && Number.isInteger(inUnit * 10)) return `${inUnit}${unit}`;
    if (Math.abs(inUnit) >= 10) return `${Math.round(inUnit * 10) / 10}${unit}`;
  }
  return String(amount);
}
