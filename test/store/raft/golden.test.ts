/**
 * Scenarios of the consensus core as text: test/golden/raft/*.txt, each a list of commands with what they did.
 * `npx vitest run test/store/raft/golden.test.ts -u` (or UPDATE_GOLDEN=1) writes the outputs anew: read the diff.
 *
 *   add-nodes N voters=(1,2) [learners=(3)] [no-pre-vote]    campaign I           tick I N         propose I TEXT...
 *   sync I         the oldest Ready of I becomes durable     deliver [I->J]       lose [I->J]      read I REQUEST
 *   stabilize      sync and deliver until all is quiet       compact I INDEX      crash I          transfer I J
 *   conf-change I [joint] add-voter=J add-learner=J remove=J closed I J           status
 *
 * A Ready prints as it is taken: `send` may leave at once, `then` leaves after the sync.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assert } from '../../../src/base/assert.ts';
import type { ConfChangeKind, ConfState, Entry, MemberId, Message, Ready } from '../../../src/store/raft/core/types.ts';
import { Member, bootstrap, optionsOf } from './harness.ts';

const FOLDER = 'test/golden/raft';
const isUpdate =
  process.env['UPDATE_GOLDEN'] === '1' || process.argv.some((arg) => arg === '-u' || arg.startsWith('--update'));

class Scenario {
  readonly members = new Map<MemberId, Member>();
  underWay: Message[] = [];
  out: string[] = [];

  run(command: string): string {
    const [verb, ...args] = command.split(/\s+/);
    this.out = [];
    this.#execute(verb!, args);
    this.#takeAll();
    return this.out.join('\n') || 'ok';
  }

  #execute(verb: string, args: readonly string[]): void {
    const [first, ...rest] = args;
    const member = () => this.#member(first);
    switch (verb) {
      case 'add-nodes':
        return this.#addNodes(Number(first), rest);
      case 'campaign':
        return member().raft.campaign();
      case 'tick':
        for (let i = 0; i < Number(rest[0]); i++) member().raft.tick();
        return;
      case 'propose':
        return this.#refusal(member().raft.propose(rest.map((text) => Buffer.from(text))));
      case 'read':
        return this.#refusal(member().raft.readIndex(BigInt(rest[0]!)));
      case 'conf-change':
        return this.#confChange(member(), rest);
      case 'transfer':
        return this.#refusal(member().raft.transferLeader(BigInt(rest[0]!)));
      case 'closed':
        return member().raft.connectionClosed(BigInt(rest[0]!));
      case 'compact':
        return member().compact(Number(rest[0]));
      case 'crash':
        return member().restart();
      case 'sync':
        this.underWay.push(...member().sync());
        return;
      case 'deliver':
        return this.#deliver(first);
      case 'lose':
        this.underWay = this.underWay.filter((message) => !isOn(message, first));
        return;
      case 'stabilize':
        return this.#stabilize();
      case 'status':
        for (const each of this.members.values()) this.out.push(statusText(each));
        return;
      default:
        throw new Error(`unknown command ${verb}`);
    }
  }

  #member(id: string | undefined): Member {
    const member = this.members.get(BigInt(id ?? 0));
    assert(member !== undefined, `member ${id} exists`);
    return member;
  }

  #addNodes(count: number, words: readonly string[]): void {
    const voters = idsOf(words, 'voters');
    const learners = idsOf(words, 'learners');
    for (let id = 1n; id <= count; id++) {
      const options = optionsOf(id, { preVote: !words.includes('no-pre-vote') });
      const member = new Member(options, { snapshot: bootstrap(voters, learners) });
      member.onReady = (ready) => this.out.push(...readyText(member, ready));
      this.members.set(id, member);
    }
  }

  #confChange(member: Member, words: readonly string[]): void {
    const changes = words
      .filter((word) => word.includes('='))
      .map((word) => word.split('='))
      .map(([kind, id]) => ({ kind: kind as ConfChangeKind, member: BigInt(id!) })); // The scenario's author spells it.
    this.#refusal(member.raft.proposeConfChange({ changes, joint: words.includes('joint') }));
  }

  #refusal(outcome: { readonly ok: true } | { readonly ok: false; readonly code: string }): void {
    if (!outcome.ok) this.out.push(`refused: ${outcome.code}`);
  }

  #deliver(link: string | undefined): void {
    const now = this.underWay.filter((message) => isOn(message, link));
    this.underWay = this.underWay.filter((message) => !isOn(message, link));
    for (const message of now) this.#member(`${message.to}`).raft.step(message);
  }

  #takeAll(): void {
    for (const member of this.members.values()) this.underWay.push(...member.take());
  }

  #stabilize(): void {
    for (let round = 0; round < 200; round++) {
      this.#takeAll();
      const unsynced = [...this.members.values()].filter((member) => member.unsynced.length > 0);
      if (unsynced.length === 0 && this.underWay.length === 0) return;
      for (const member of unsynced) while (member.unsynced.length > 0) this.underWay.push(...member.sync());
      this.#deliver(undefined);
    }
    throw new Error('does not come to rest');
  }
}

function isOn({ from, to }: Message, link: string | undefined): boolean {
  return link === undefined || link === `${from}->${to}`;
}

function idsOf(words: readonly string[], name: string): MemberId[] {
  const list = words.find((word) => word.startsWith(`${name}=(`))?.slice(name.length + 2, -1) ?? '';
  return list === '' ? [] : list.split(',').map(BigInt);
}

function statusText({ id, raft }: Member): string {
  const { role, term, leader, commit, lastIndex, lastTerm, stable } = raft.status();
  return `${id} ${role} term=${term} leader=${leader} commit=${commit} last=${lastIndex}/${lastTerm} stable=${stable}`;
}

function readyText({ id, raft }: Member, ready: Ready): string[] {
  const { hardState, softState, entries, snapshot, committed, readStates, mustSync } = ready;
  const facts = [`${id} ${raft.status().role}`];
  if (softState !== undefined) facts.push(`leader=${softState.leader}`);
  if (hardState !== undefined) {
    facts.push(`term=${hardState.term} vote=${hardState.votedFor} commit=${hardState.commit}`);
  }
  if (snapshot !== undefined) facts.push(`snapshot=${snapshot.index}/${snapshot.term}`);
  if (entries.length > 0) facts.push(`entries=${entriesText(entries)}`);
  if (committed.length > 0) facts.push(`apply=${entriesText(committed)}`);
  for (const { request, index } of readStates) facts.push(`read ${request} at ${index}`);
  if (mustSync) facts.push('(must sync)');
  return [
    facts.join(' '),
    ...ready.messages.map((message) => `  send ${messageText(message)}`),
    ...ready.messagesAfterSync.map((message) => `  then ${messageText(message)}`),
  ];
}

function entriesText(entries: readonly Entry[]): string {
  const one = ({ index, term, kind, data }: Entry) =>
    `${index}/${term}${kind === 'conf-change' ? ':conf' : data.length > 0 ? `:${Buffer.from(data).toString()}` : ''}`;
  return `[${entries.map(one).join(' ')}]`;
}

function confText({ voters, votersOutgoing, learners }: ConfState): string {
  const outgoing = votersOutgoing.length > 0 ? `&(${votersOutgoing.join(',')})` : '';
  return `(${voters.join(',')})${outgoing}${learners.length > 0 ? ` learners=(${learners.join(',')})` : ''}`;
}

function messageText(message: Message): string {
  const head = `${message.from}->${message.to}`;
  const term = `term=${message.term}`;
  switch (message.type) {
    case 'request-vote': {
      const kind = message.preVote ? 'RequestPreVote' : 'RequestVote';
      const transfer = message.transfer ? ' transfer' : '';
      return `${head} ${kind} ${term} last=${message.lastIndex}/${message.lastTerm}${transfer}`;
    }
    case 'vote':
      return `${head} ${message.preVote ? 'PreVote' : 'Vote'} ${term} ${message.granted ? 'granted' : 'refused'}`;
    case 'append': {
      const { prevIndex, prevTerm, entries, commit } = message;
      return `${head} Append ${term} prev=${prevIndex}/${prevTerm} ${entriesText(entries)} commit=${commit}`;
    }
    case 'append-answer':
      if (message.accepted) return `${head} Accepted ${term} index=${message.index}`;
      return `${head} Refused ${term} index=${message.index} hint=${message.hintIndex}/${message.hintTerm}`;
    case 'heartbeat':
      return `${head} Heartbeat ${term} commit=${message.commit} round=${message.round}`;
    case 'heartbeat-answer':
      return `${head} HeartbeatAnswer ${term} round=${message.round}`;
    case 'install-snapshot': {
      const { index, term: at, confState } = message.snapshot;
      return `${head} InstallSnapshot ${term} snapshot=${index}/${at} ${confText(confState)}`;
    }
    case 'timeout-now':
      return `${head} TimeoutNow ${term}`;
    case 'propose':
      return `${head} Propose ${message.data.map((data) => Buffer.from(data).toString()).join(' ')}`;
    case 'read-index':
      return `${head} ReadIndex request=${message.request}`;
    case 'read-index-answer':
      return `${head} ReadIndexAnswer request=${message.request} index=${message.index}`;
  }
}

/** Blocks are comments and a command, `----`, the output, and an empty line. */
function replay(text: string): string {
  const scenario = new Scenario();
  const blocks = text.trimEnd().split(/\n\n+/).map((block) => {
    const head = block.split('\n----')[0]!;
    const command = head.split('\n').filter((line) => !line.startsWith('#')).join(' ').trim();
    return command === '' ? head : `${head}\n----\n${scenario.run(command)}`;
  });
  return `${blocks.join('\n\n')}\n`;
}

describe('golden scenarios', () => {
  test.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')).sort())('%s', (name) => {
    const path = join(FOLDER, name);
    const before = readFileSync(path, 'utf8');
    const after = replay(before);
    if (isUpdate) writeFileSync(path, after);
    else expect(after).toBe(before);
  });
});
