/** What lists and watches ask for beside selectors, as far as the parts must fit each other. Every problem at once. */
import { forbiddenField, invalidObject, type FieldError } from '../../kube/errors.ts';

const FIELD = 'resourceVersionMatch';

export interface ListParts {
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly continue: string;
}

export interface WatchParts {
  readonly resourceVersionMatch: string;
  readonly sendInitialEvents: boolean | undefined;
}

export function checkListOptions({ resourceVersion, resourceVersionMatch: match, continue: token }: ListParts): void {
  if (match === '') return;
  const errors: FieldError[] = [];
  if (resourceVersion === '') errors.push(forbiddenField(FIELD, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  if (token !== '') errors.push(forbiddenField(FIELD, 'resourceVersionMatch is forbidden when continue is provided'));
  if (match !== 'Exact' && match !== 'NotOlderThan') errors.push(unsupported(match, '"Exact", "NotOlderThan", ""'));
  else if (match === 'Exact' && resourceVersion === '0') {
    errors.push(forbiddenField(FIELD, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  refuse(errors);
}

export function checkWatchOptions({ resourceVersionMatch: match, sendInitialEvents }: WatchParts): void {
  const errors: FieldError[] = [];
  if (sendInitialEvents === undefined && match !== '') {
    errors.push(forbiddenField(FIELD, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
  }
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    errors.push(forbiddenField(FIELD, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  }
  if (match !== '' && match !== 'NotOlderThan') errors.push(unsupported(match, '"NotOlderThan"'));
  refuse(errors);
}

export function refuseInitialEventsOfList(): never {
  throw invalidOptions([forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list')]);
}

function unsupported(match: string, supported: string): FieldError {
  const message = `Unsupported value: ${JSON.stringify(match)}: supported values: ${supported}`;
  return { reason: 'FieldValueNotSupported', field: FIELD, message };
}

function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidOptions(errors);
}

function invalidOptions(errors: readonly FieldError[]) {
  return invalidObject({ group: 'meta.k8s.io', resource: '', kind: 'ListOptions' }, '', errors);
}
