/** Static tokens: lines of `token,user,uid[,"group1,group2"]`, as kube-apiserver's --token-auth-file has them. */
import { createHash } from 'node:crypto';
import { UserError } from '../../base/errors.ts';
import type { User } from '../access.ts';
import { withAuthenticated, type TokenAuthenticator } from './authenticator.ts';

/** `file` is only for messages. */
export function parseTokenFile(text: string, file: string): TokenAuthenticator {
  const users = new Map<string, User>();
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const [token = '', name = '', uid = '', groups = ''] = fieldsOf(line);
    if (token === '' || name === '') throw new UserError(`${file}:${index + 1}: must be token,user,uid and perhaps "group1,group2"`);
    const list = groups.split(',').map((group) => group.trim());
    users.set(digest(token), { name, uid, groups: withAuthenticated(list.filter((group) => group !== '')), extra: {} });
  });
  // By digest: how long a look-up takes tells nothing of the token.
  return { authenticateToken: (token) => users.get(digest(token)) };
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** Commas part fields but for those within quotes. */
function fieldsOf(line: string): string[] {
  return [...line.trim().matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map(([, quoted, plain]) => (quoted ?? plain ?? '').trim());
}
