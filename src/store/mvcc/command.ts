/**
 * What goes through the Raft log: one tagged request each, in etcd's own messages, with the id by which its proposer
 * recognises the answer. No time and no randomness is in it or added when it is applied; what the proposer chose, such
 * as a lease's id, is written out.
 */
import { AuthChange, Credentials } from '../../proto/auth.ts';
import {
  AlarmRequest,
  CompactionRequest,
  DeleteRangeRequest,
  DowngradeRequest,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  TxnRequest,
} from '../../proto/etcd.ts';
import { MemberChange } from '../../proto/raft.ts';
import { codec, decodeShared, Slabs, WireError, Writer, type Init, type MessageCodec } from '../../proto/wire.ts';
import { unreachable } from '../../base/assert.ts';

export type Command =
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'delete-range'; readonly request: DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }
  | { readonly kind: 'compaction'; readonly request: CompactionRequest }
  | { readonly kind: 'lease-grant'; readonly request: LeaseGrantRequest }
  | { readonly kind: 'lease-revoke'; readonly request: LeaseRevokeRequest }
  /** The leader's own: what is left of long leases. */
  | { readonly kind: 'lease-checkpoint'; readonly request: LeaseCheckpointRequest }
  | { readonly kind: 'auth'; readonly request: AuthChange }
  | { readonly kind: 'alarm'; readonly request: AlarmRequest }
  /** ENABLE or CANCEL; its proposer has checked the version. */
  | { readonly kind: 'downgrade'; readonly request: DowngradeRequest }
  /** Of attributes; what changes the configuration is an entry of its own kind. */
  | { readonly kind: 'member-change'; readonly request: MemberChange };

export interface Proposal {
  /** Unique among the proposals that are under way; chosen by the proposing member. */
  readonly id: bigint;
  readonly command: Command;
  /** In whose name; checked again when it is applied. None: nobody's, which is refused while authentication is on. */
  readonly credentials?: Credentials | undefined;
}

/** For what the store does of itself, such as ending a lease: authentication does not bind it. */
export const AS_STORE: Credentials = { subject: { case: 'store', value: true } };

const ID = 1;
const CREDENTIALS = 31;
const FIELDS = {
  put: 2,
  'delete-range': 3,
  txn: 4,
  compaction: 5,
  'lease-grant': 6,
  'lease-revoke': 7,
  'lease-checkpoint': 10,
  alarm: 20,
  downgrade: 21,
  auth: 30,
  'member-change': 40,
} as const;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;

/** The log forgets in the order that it was written in, and so do those who keep parts of it. */
const slabs = new Slabs();
const scratch = new Writer();

export function encodeProposal(proposal: Proposal): Uint8Array {
  scratch.reset();
  Envelope.write(scratch, proposal);
  return scratch.finishIn(slabs);
}

/**
 * Throws `WireError` on bytes that are no proposal: a member that cannot read the log must stop. They are the log's, which
 * nobody changes, so that a value need not be copied out of them.
 */
export function decodeProposal(bytes: Uint8Array): Proposal {
  return decodeShared(Envelope, bytes);
}

const Envelope: MessageCodec<Proposal> = codec<Proposal>(
  'podium.store.Proposal',
  (writer, init) => {
    // An Init of a whole message that we made ourselves.
    const { id, command, credentials } = init as Proposal;
    writer.uint32((ID << 3) | FIXED64).fixed64(id);
    if (credentials !== undefined) writeCredentials(writer, credentials);
    const start = writer.open((FIELDS[command.kind] << 3) | LENGTH_DELIMITED);
    switch (command.kind) {
      case 'put':
        PutRequest.write(writer, command.request);
        break;
      case 'delete-range':
        DeleteRangeRequest.write(writer, command.request);
        break;
      case 'txn':
        TxnRequest.write(writer, command.request as Init<TxnRequest>);
        break;
      case 'compaction':
        CompactionRequest.write(writer, command.request);
        break;
      case 'lease-grant':
        LeaseGrantRequest.write(writer, command.request);
        break;
      case 'lease-revoke':
        LeaseRevokeRequest.write(writer, command.request);
        break;
      case 'lease-checkpoint':
        LeaseCheckpointRequest.write(writer, command.request);
        break;
      case 'alarm':
        AlarmRequest.write(writer, command.request);
        break;
      case 'downgrade':
        DowngradeRequest.write(writer, command.request);
        break;
      case 'member-change':
        MemberChange.write(writer, command.request);
        break;
      case 'auth':
        AuthChange.write(writer, command.request as Init<AuthChange>);
        break;
      default:
        unreachable(command);
    }
    writer.close(start);
  },
  (reader, end) => {
    let id = 0n;
    let command: Command | undefined;
    let credentials: Credentials | undefined;
    while (reader.position < end) {
      const tag = reader.tag();
      if (tag === ((ID << 3) | FIXED64)) {
        id = reader.fixed64();
        continue;
      }
      if ((tag & 7) !== LENGTH_DELIMITED) throw new WireError(`a proposal has no field ${tag >>> 3}`);
      const inner = reader.enter();
      switch (tag >>> 3) {
        case FIELDS.put:
          // Of the key a string is made, and a value is kept at most as long as those around it.
          reader.shareAll();
          command = { kind: 'put', request: PutRequest.read(reader, inner) };
          break;
        case FIELDS['delete-range']:
          command = { kind: 'delete-range', request: DeleteRangeRequest.read(reader, inner) };
          break;
        case FIELDS.txn:
          command = { kind: 'txn', request: TxnRequest.read(reader, inner) };
          break;
        case FIELDS.compaction:
          command = { kind: 'compaction', request: CompactionRequest.read(reader, inner) };
          break;
        case FIELDS['lease-grant']:
          command = { kind: 'lease-grant', request: LeaseGrantRequest.read(reader, inner) };
          break;
        case FIELDS['lease-revoke']:
          command = { kind: 'lease-revoke', request: LeaseRevokeRequest.read(reader, inner) };
          break;
        case FIELDS['lease-checkpoint']:
          command = { kind: 'lease-checkpoint', request: LeaseCheckpointRequest.read(reader, inner) };
          break;
        case FIELDS.alarm:
          command = { kind: 'alarm', request: AlarmRequest.read(reader, inner) };
          break;
        case FIELDS.downgrade:
          command = { kind: 'downgrade', request: DowngradeRequest.read(reader, inner) };
          break;
        case FIELDS['member-change']:
          command = { kind: 'member-change', request: MemberChange.read(reader, inner) };
          break;
        case FIELDS.auth:
          command = { kind: 'auth', request: AuthChange.read(reader, inner) };
          if (command.request.change === undefined) throw new WireError('a change of authentication that is not known');
          break;
        case CREDENTIALS:
          credentials = Credentials.read(reader, inner);
          break;
        default:
          // Skipping what a newer member knows would make the replicas differ.
          throw new WireError(`a proposal has no field ${tag >>> 3}`);
      }
      reader.leave(inner);
    }
    if (command === undefined) throw new WireError('a proposal without a command');
    return credentials === undefined ? { id, command } : { id, command, credentials };
  },
  (init) => init as Proposal,
);

function writeCredentials(writer: Writer, credentials: Credentials): void {
  const start = writer.open((CREDENTIALS << 3) | LENGTH_DELIMITED);
  Credentials.write(writer, credentials as Init<Credentials>);
  writer.close(start);
}
