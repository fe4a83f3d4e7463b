/**
 * The cases of cases.ts on the two subjects that need no process: the pure model, for what concerns it, and a store within
 * this process, on a driven clock. store.long.test.ts has the others.
 */
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import type { Channel } from '../../src/proto/rpc.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';
import { cases, type Subject } from './cases.ts';
import { maintenanceCases } from './maintenance-cases.ts';
import { modelCases } from './model-cases.ts';
import { ModelSubject } from './model-subject.ts';

const all = [...cases, ...maintenanceCases, ...modelCases];
const ofCase = (number: number) => (key: string) => Buffer.from(`case-${number}/${key}`);

/** By the first words of a case's name. */
const notByModel: readonly (readonly [string, string])[] = [
  ['lease: a lease that nobody keeps', 'the model has no clock'],
  ['cluster: ', 'the model is no cluster'],
  ['members: ', 'the model is no cluster'],
  ['lock and election: ', 'the model has keys, values and leases alone'],
  ['watch: ', 'what watches promise is judged by src/verify/core/watch-promises.ts'],
  ['random requests', 'the model is what they are compared with'],
];
const noAddresses = 'members within a process have other names, and no addresses';
const notInProcess: ReadonlyMap<string, string> = new Map([
  ['cluster: members and status name each other', noAddresses],
  ['members: member list: ids, names, addresses, no learner', noAddresses],
]);
const maintenance = new Set(maintenanceCases.map(({ name }) => name));

describe('the pure model', () => {
  const missing = (name: string) => () => {
    throw new Error(`the model has no ${name}`);
  };
  const model = new ModelSubject();
  const rest = { rangeStream: missing('rangeStream'), watch: missing('watch'), status: missing('status'), memberList: missing('members') };
  const client: StoreClient = { ...model.client, ...rest, close: () => undefined };
  const channel: Channel = { unary: missing('wire'), serverStream: missing('wire'), clientStream: missing('wire'), bidi: missing('wire'), close: () => undefined };
  for (const [number, { name, run }] of all.entries()) {
    const reason = maintenance.has(name) ? 'the model has nothing to maintain' : notByModel.find(([start]) => name.startsWith(start))?.[1];
    test.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (${reason})`, () =>
      run({ client, channel, members: 1 }, ofCase(number)),
    );
  }
});

describe('a store within this process', () => {
  let cluster: TestCluster;
  let subject: Subject;
  beforeAll(async () => {
    cluster = await startCluster({ members: 1, nodes: 0 });
    subject = { client: cluster.store, channel: cluster.channel('store-1'), members: 1 };
  });
  // A moment of its time takes no more than so many calls.
  afterEach(() => cluster.clock.advance(1));
  afterAll(() => cluster.stop());
  for (const [number, { name, run }] of all.entries()) {
    const reason = notInProcess.get(name);
    test.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (${reason})`, () => cluster.clock.drive(run(subject, ofCase(number)), { what: name, deadlineMs: 1e9 }));
  }
});
