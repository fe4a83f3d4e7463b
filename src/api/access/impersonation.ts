/**
 * `kubectl --as`: whoever may impersonate asks as another would. A server that passed the headers over would answer more
 * than the other may see.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../../kube/errors.ts';
import { requireAllowed, type Authorizer, type User } from '../access.ts';
import { withAuthenticated } from './authenticator.ts';

const PREFIX = 'impersonate-';
const EXTRA = 'impersonate-extra-';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):[^:]+$/;

interface Asked {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** The user himself where nobody is impersonated; throws Forbidden where he may not. */
export async function impersonated(user: User, headers: IncomingHttpHeaders, authorizer: Authorizer): Promise<User> {
  const asked = askedOf(headers);
  if (asked === undefined) return user;
  const need = (group: string, resource: string, subresource: string, name: string, namespace = '') =>
    requireAllowed(authorizer, user, { verb: 'impersonate', group, version: 'v1', resource, subresource, namespace, name });
  const account = SERVICE_ACCOUNT.exec(asked.name);
  if (account === null) await need('', 'users', '', asked.name);
  else await need('', 'serviceaccounts', '', asked.name.split(':').at(-1)!, account[1]);
  for (const group of asked.groups) await need('', 'groups', '', group);
  if (asked.uid !== '') await need('authentication.k8s.io', 'uids', '', asked.uid);
  for (const [key, values] of Object.entries(asked.extra)) for (const value of values) await need('authentication.k8s.io', 'userextras', key, value);
  const implied = account === null || asked.groups.length > 0 ? [] : ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`];
  return { ...asked, groups: withAuthenticated([...asked.groups, ...implied]) };
}

function askedOf(headers: IncomingHttpHeaders): Asked | undefined {
  const names = Object.keys(headers).filter((name) => name.startsWith(PREFIX));
  if (names.length === 0) return undefined;
  // Node.js joins what is sent several times.
  const values = (name: string) => {
    const value = headers[name];
    const texts = typeof value === 'string' ? value.split(',') : (value ?? []);
    return texts.map((text) => text.trim()).filter((text) => text !== '');
  };
  const name = headers['impersonate-user'];
  if (typeof name !== 'string' || name === '') throw badRequest('groups, a uid or extra fields cannot be impersonated without a user: Impersonate-User is missing');
  const extras = names.filter((each) => each.startsWith(EXTRA)).map((each) => [unescaped(each.slice(EXTRA.length)), values(each)] as const);
  return { name, uid: values('impersonate-uid')[0] ?? '', groups: values('impersonate-group'), extra: Object.fromEntries(extras) };
}

/** A broken escape sequence stands for itself, as in Kubernetes. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
