/**
 * What `--strict-reconfig-check` refuses, and how soon: the answers of etcd 3.7.3 in the same places, which were taken from
 * real clusters of it. Who is asked answers by its own connections, without a leader where there is none.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { StorePart } from '../../src/testing/store-part.ts';
import { ChangingMembers, failure } from './changing-members.ts';

const UNHEALTHY = 'etcdserver: unhealthy cluster';
const TOO_FEW = 'etcdserver: re-configuration failed due to not enough started members';
const NO_LEADER = 'etcdserver: no leader';
const NOT_FOUND = 'etcdserver: member not found';
/** Longer than a call takes within this process, shorter than any wait for a leader. */
const AT_ONCE_MS = 100;
/** Within it a request is answered, whatever is missing. */
const REQUEST_MS = 8_000;

let changing: ChangingMembers | undefined;
afterEach(async () => {
  await changing?.cluster.stop();
  changing = undefined;
});

async function start(members: number): Promise<ChangingMembers> {
  return (changing = await ChangingMembers.start({}, undefined, members));
}

/** What it fails with, and that it took no longer. */
async function failsWithin(ms: number, call: () => Promise<unknown>): Promise<string> {
  const { clock } = changing!.cluster;
  const from = clock.monotonic();
  const why = await failure(call());
  expect(clock.monotonic() - from).toBeLessThanOrEqual(ms);
  return why;
}

async function kill(...parts: readonly StorePart[]): Promise<void> {
  for (const part of parts) part.kill();
  // Until their connections are known to be closed.
  await changing!.cluster.clock.advance(20);
}

describe('two of three are dead', () => {
  async function startWithout(survivor: 'leader' | 'follower') {
    const members = await start(3);
    const leader = await members.cluster.leader();
    const at = survivor === 'leader' ? leader : await members.follower();
    const learner = (await members.add(leader, 9, true)).member!;
    await members.cluster.clock.advance(200);
    const dead = members.cluster.members.filter((part) => part !== at);
    await kill(...dead);
    return { members, at, dead: dead[0]!, learner };
  }

  test.each(['leader', 'follower'] as const)('a %s that is left refuses at once what could not be', async (survivor) => {
    const { members, at } = await startWithout(survivor);
    // While a leader still takes itself for one, and afterwards.
    for (const waitMs of [0, 3_000]) {
      await members.cluster.clock.advance(waitMs);
      expect(await failsWithin(AT_ONCE_MS, () => members.add(at, 4))).toBe(UNHEALTHY);
      expect(await failsWithin(AT_ONCE_MS, () => members.add(at, 4, true))).toBe(UNHEALTHY);
      // Not that its address is taken: nobody looks so far.
      expect(await failsWithin(AT_ONCE_MS, () => members.add(at, 1))).toBe(UNHEALTHY);
      expect(await failsWithin(AT_ONCE_MS, () => members.remove(at, at.id))).toBe(UNHEALTHY);
    }
  });

  test('and waits no longer than for a request with what only a leader can tell, or might do', async () => {
    const { members, at, dead, learner } = await startWithout('follower');
    expect(await failsWithin(REQUEST_MS, () => members.remove(at, dead.id))).toBe(NO_LEADER);
    expect(await failsWithin(REQUEST_MS, () => members.remove(at, learner.id))).toBe(NO_LEADER);
    expect(await failsWithin(REQUEST_MS, () => members.promote(at, learner.id))).toBe(NO_LEADER);
    expect(await failsWithin(REQUEST_MS, () => members.promote(at, 99n))).toBe(NO_LEADER);
  });

  test('who led when they died is done with it in that time, too', async () => {
    const { members, at, dead } = await startWithout('leader');
    expect(await failsWithin(REQUEST_MS, () => members.remove(at, dead.id))).toBe(NO_LEADER);
  });
});

test('one of three is dead: nobody joins, and none but that one leaves, wherever it is asked', async () => {
  const members = await start(3);
  const leader = await members.cluster.leader();
  const dead = await members.follower();
  await kill(dead);
  const other = members.cluster.members.find((part) => part !== leader && part !== dead)!;
  for (const at of [leader, other]) {
    expect(await failure(members.add(at, 4))).toBe(UNHEALTHY);
    expect(await failure(members.add(at, 4, true))).toBe(UNHEALTHY);
    expect(await failure(members.add(at, 1))).toBe(UNHEALTHY);
    for (const part of [leader, other]) expect(await failure(members.remove(at, part.id))).toBe(UNHEALTHY);
    expect(await failure(members.promote(at, 99n))).toBe(NOT_FOUND);
    expect(await failure(members.promote(at, other.id))).toBe('etcdserver: can only promote a learner member');
    expect(await failure(members.remove(at, 99n))).toBe(NOT_FOUND);
  }
  expect((await members.remove(other, dead.id)).members).toHaveLength(2);
});

test('one of five is dead: there are enough for one more, and for a second', async () => {
  const members = await start(5);
  const leader = await members.cluster.leader();
  await kill(await members.follower());
  expect((await members.add(leader, 6)).members).toHaveLength(6);
  expect((await members.add(leader, 7)).members).toHaveLength(7);
  // Four of seven are there: of eight that would be no quorum.
  expect(await failure(members.add(leader, 8))).toBe(UNHEALTHY);
  expect(await failure(members.add(leader, 8, true))).toBe(UNHEALTHY);
});

test('members that have not started yet: only so many that those who have are still a quorum', async () => {
  const members = await start(3);
  const leader = await members.cluster.leader();
  const fourth = (await members.add(leader, 4)).member!;
  const fifth = (await members.add(leader, 5)).member!;
  expect(await failure(members.add(leader, 6))).toBe(TOO_FEW);
  expect(await failure(members.add(leader, 6, true))).toBe(UNHEALTHY);
  expect(await failure(members.remove(leader, (await members.follower()).id))).toBe(TOO_FEW);
  for (const { id } of [fourth, fifth]) await members.remove(leader, id);
  expect(await members.list(leader)).toHaveLength(3);
});

test('a single one takes in one, which has to come before the next', async () => {
  const members = await start(1);
  const only = await members.cluster.leader();
  const second = (await members.add(only, 2)).member!;
  await members.cluster.clock.advance(50);
  expect(await failsWithin(AT_ONCE_MS, () => members.add(only, 3))).toBe(TOO_FEW);
  expect(await failsWithin(AT_ONCE_MS, () => members.add(only, 3, true))).toBe(UNHEALTHY);
  expect(await failsWithin(AT_ONCE_MS, () => members.remove(only, only.id))).toBe(TOO_FEW);
  // Half of two is no quorum; etcd waits for as long as its caller does.
  expect(await failsWithin(REQUEST_MS, () => members.remove(only, second.id))).toMatch(/no leader|timed out/);
});
