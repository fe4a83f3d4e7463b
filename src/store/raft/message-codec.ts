/** Raft's messages on the wire and back. What does not make sense is refused here, so that the core may assert. */
import * as wire from '../../proto/raft.ts';
import { type Init, WireError } from '../../proto/wire.ts';
import type { Entry, Message, SnapshotMeta } from './core/types.ts';

export function entryToWire({ term, index, kind, data }: Entry): Init<wire.Entry> {
  return { term, index, kind: kind === 'normal' ? wire.EntryKind.NORMAL : wire.EntryKind.CONF_CHANGE, data };
}

export function entryFromWire({ term, index, kind, data }: wire.Entry): Entry {
  if (kind !== wire.EntryKind.NORMAL && kind !== wire.EntryKind.CONF_CHANGE) throw new WireError(`entry kind ${kind}`);
  return { term, index, kind: kind === wire.EntryKind.NORMAL ? 'normal' : 'conf-change', data };
}

export function snapshotMetaFromWire(meta: wire.SnapshotMeta | undefined): SnapshotMeta {
  if (meta?.confState === undefined) throw new WireError('a snapshot without a configuration');
  return { index: meta.index, term: meta.term, confState: meta.confState };
}

export function messageToWire(message: Message): Init<wire.Envelope> {
  const { from, to, term } = message;
  return { from, to, term, message: bodyToWire(message) };
}

function bodyToWire(message: Message): Init<wire.Envelope>['message'] {
  switch (message.type) {
    case 'request-vote': {
      const { preVote, lastIndex, lastTerm, transfer, commit, commitTerm } = message;
      return { case: 'requestVote', value: { preVote, lastIndex, lastTerm, transfer, commit, commitTerm } };
    }
    case 'vote': {
      const { preVote, granted, commit, commitTerm } = message;
      return { case: 'vote', value: { preVote, granted, commit, commitTerm } };
    }
    case 'append': {
      const { prevIndex, prevTerm, commit, unanswered } = message;
      return { case: 'append', value: { prevIndex, prevTerm, commit, unanswered, entries: message.entries.map(entryToWire) } };
    }
    case 'append-answer': {
      const { accepted, index, hintIndex, hintTerm } = message;
      return { case: 'appendAnswer', value: { accepted, index, hintIndex, hintTerm } };
    }
    case 'heartbeat':
      return { case: 'heartbeat', value: { commit: message.commit, round: message.round } };
    case 'heartbeat-answer':
      return { case: 'heartbeatAnswer', value: { round: message.round } };
    case 'install-snapshot':
      return { case: 'installSnapshot', value: { snapshot: message.snapshot } };
    case 'timeout-now':
      return { case: 'timeoutNow', value: {} };
    case 'propose':
      return { case: 'propose', value: { data: message.data } };
    case 'read-index':
      return { case: 'readIndex', value: { request: message.request } };
    case 'read-index-answer':
      return { case: 'readIndexAnswer', value: { request: message.request, index: message.index } };
  }
}

/**
 * Throws `WireError` for an envelope without a message, or one that no member could have sent. Field by field: to spread
 * a message into another costs more than all the rest of receiving it.
 */
export function messageFromWire({ from, to, term, message }: wire.Envelope): Message {
  if (from === 0n || to === 0n) throw new WireError('a message without sender or receiver');
  switch (message?.case) {
    case 'requestVote': {
      const { preVote, lastIndex, lastTerm, transfer, commit, commitTerm } = message.value;
      return { from, to, term, type: 'request-vote', preVote, lastIndex, lastTerm, transfer, commit, commitTerm };
    }
    case 'vote': {
      const { preVote, granted, commit, commitTerm } = message.value;
      return { from, to, term, type: 'vote', preVote, granted, commit, commitTerm };
    }
    case 'append': {
      const { prevIndex, prevTerm, commit, unanswered } = message.value;
      const entries = message.value.entries.map(entryFromWire);
      const isGapless = entries.every((entry, at) => entry.index === prevIndex + 1 + at);
      if (!isGapless) throw new WireError('entries that do not follow each other');
      if (!unanswered) return { from, to, term, type: 'append', prevIndex, prevTerm, commit, entries };
      return { from, to, term, type: 'append', prevIndex, prevTerm, commit, unanswered, entries };
    }
    case 'appendAnswer': {
      const { accepted, index, hintIndex, hintTerm } = message.value;
      return { from, to, term, type: 'append-answer', accepted, index, hintIndex, hintTerm };
    }
    case 'heartbeat':
      return { from, to, term, type: 'heartbeat', commit: message.value.commit, round: message.value.round };
    case 'heartbeatAnswer':
      return { from, to, term, type: 'heartbeat-answer', round: message.value.round };
    case 'installSnapshot':
      return { from, to, term, type: 'install-snapshot', snapshot: snapshotMetaFromWire(message.value.snapshot) };
    case 'timeoutNow':
      return { from, to, term, type: 'timeout-now' };
    case 'propose':
      return { from, to, term, type: 'propose', data: message.value.data };
    case 'readIndex':
      return { from, to, term, type: 'read-index', request: message.value.request };
    case 'readIndexAnswer':
      return { from, to, term, type: 'read-index-answer', request: message.value.request, index: message.value.index };
    case undefined:
      throw new WireError('an envelope without a message');
  }
}
