/** Whom the command line pulls as: what `docker login` wrote. Programs that keep credentials elsewhere are not asked. */
import { readFile } from 'node:fs/promises';
import { describeError, systemErrorCode, UserError } from '../base/errors.ts';
import { parseCredentials, type Credentials } from '../image/core/credentials.ts';

export async function readAuthFile(path: string, mayBeMissing: boolean): Promise<Credentials[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (mayBeMissing && (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR')) return [];
    throw new UserError(`error: ${path} cannot be read: ${describeError(cause)}`);
  }
  const read = parseCredentials(text, 'dockerconfigjson');
  if (!read.ok) throw new UserError(`error: ${path}: ${read.why}`);
  return read.value;
}
