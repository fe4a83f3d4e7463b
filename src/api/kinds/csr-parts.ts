/**
 * What is written of a CertificateSigningRequest through its subresources: `approval` says yes or no, for ever; `status`
 * holds the certificate and how signing went, and leaves the approval alone. Who asked is written by the server.
 */
import type { CertificateSigningRequest, CertificateSigningRequestSpec } from 'kubernetes-types/certificates/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported } from '../../kube/errors.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import type { Part, Requester } from './kind.ts';

interface CsrCondition {
  readonly type: string;
  readonly status: string;
  lastUpdateTime?: string;
  lastTransitionTime?: string;
}

const VERDICTS: readonly string[] = ['Approved', 'Denied'];
const PATH = 'status.conditions';

export function setRequester(spec: CertificateSigningRequestSpec | undefined, user: Requester | undefined): void {
  if (spec === undefined) return;
  for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field];
  if (user === undefined) return;
  spec.username = user.name;
  if (user.uid !== '') spec.uid = user.uid;
  if (user.groups.length > 0) spec.groups = [...user.groups];
  const extra = Object.entries(user.extra).map(([key, values]): [string, string[]] => [key, [...values]]);
  if (extra.length > 0) spec.extra = Object.fromEntries(extra);
}

export const csrApproval: Part = {
  take: (draft, sent, now) => setConditions(draft, conditionsOf(sent), now),
  validate: (object, old) => [...validateConditions(object), ...verdictsKept(object, old)],
};

export const csrStatus: Part = {
  take: (draft, sent, now) => {
    const verdicts = conditionsOf(draft).filter(({ type }) => VERDICTS.includes(type));
    const kept = conditionsOf(sent).filter(({ type }) => !VERDICTS.includes(type));
    // A signer need not send the verdict along; one that it makes up is told of.
    const added = conditionsOf(sent).filter(({ type }) => VERDICTS.includes(type) && !verdicts.some((one) => one.type === type));
    const { certificate } = typed<CertificateSigningRequest>(sent).status ?? {};
    setConditions(draft, [...verdicts, ...added, ...kept], now);
    const status = typed<CertificateSigningRequest>(draft).status!;
    if (certificate === undefined) delete status.certificate;
    else status.certificate = certificate;
  },
  validate: (object, old) => {
    const known = conditionsOf(old).map(({ type }) => type);
    const added = conditionsOf(object).filter(({ type }) => VERDICTS.includes(type) && !known.includes(type));
    const before = typed<CertificateSigningRequest>(old).status?.certificate;
    const isReplaced = before !== undefined && !equalJson(before, typed<CertificateSigningRequest>(object).status?.certificate);
    return [
      ...validateConditions(object),
      ...added.map(({ type }) => forbiddenField(PATH, `updates may not add a condition of type ${JSON.stringify(type)}`)),
      ...(isReplaced ? [forbiddenField('status.certificate', 'updates may not modify a certificate that has been issued')] : []),
    ];
  },
};

function conditionsOf(object: KubeObject): readonly CsrCondition[] {
  return (typed<CertificateSigningRequest>(object).status?.conditions ?? []) as unknown as readonly CsrCondition[]; // their times are texts here
}

/** Times that were not sent are now. */
function setConditions(draft: KubeObject, conditions: readonly CsrCondition[], now: string): void {
  const before = conditionsOf(draft);
  const timed = conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return { ...condition, lastUpdateTime: condition.lastUpdateTime ?? now, lastTransitionTime: condition.lastTransitionTime ?? since ?? now };
  });
  draft['status'] = { ...(draft['status'] as object | undefined), conditions: timed };
}

function validateConditions(object: KubeObject): FieldError[] {
  const conditions = conditionsOf(object);
  const errors = conditions.flatMap(({ type, status }, index): FieldError[] => {
    if (status === 'True') return [];
    const isVerdict = VERDICTS.includes(type) || type === 'Failed';
    return isVerdict ? [notSupported(`${PATH}[${index}].status`, status, ['True'])] : [];
  });
  const verdicts = conditions.map(({ type }, index) => ({ type, index })).filter(({ type }) => VERDICTS.includes(type));
  if (new Set(verdicts.map(({ type }) => type)).size > 1) {
    const { type, index } = verdicts[1]!;
    errors.push(invalid(`${PATH}[${index}].type`, type, 'Approved and Denied conditions are mutually exclusive'));
  }
  return errors;
}

function verdictsKept(object: KubeObject, old: KubeObject): FieldError[] {
  const now = conditionsOf(object).map(({ type }) => type);
  const lost = conditionsOf(old).filter(({ type }) => !now.includes(type) && (VERDICTS.includes(type) || type === 'Failed'));
  return lost.map(({ type }) => forbiddenField(PATH, `updates may not remove a condition of type ${JSON.stringify(type)}`));
}
