/** What a server answers a bad request with, as far as servers can agree on it. */
import { cloneJson, isRecord } from '../../../src/kube/types.ts';
import { pathOf, type BadRequest, type Manifest } from './request.ts';

export interface Cause {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

export interface Answer {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly Cause[];
}

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
  readonly type?: string | undefined;
}

/** Sends one request; answers the code and the text. */
export type Send = (request: Sent) => Promise<{ readonly code: number; readonly text: string }>;

/** Asks, with what must be there before; what was there, or came by mistake, is gone again afterwards. */
export async function ask(send: Send, request: BadRequest): Promise<Answer> {
  for (const manifest of request.given ?? []) await put(send, manifest);
  const { method, path } = request;
  const body = request.text ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
  const { code, text } = await send({ method, path, body, type: body === undefined ? undefined : (request.type ?? 'application/json') });
  const place = path.split('?')[0]!;
  if (code === 201) await remove(send, method === 'POST' ? `${place}/${nameIn(text)}` : place);
  for (const manifest of request.given ?? []) await remove(send, pathOf(manifest, true));
  return answerOf(code, text);
}

async function put(send: Send, manifest: Manifest): Promise<void> {
  const made = { method: 'POST', path: pathOf(manifest, false), body: JSON.stringify(cloneJson(manifest)), type: 'application/json' };
  const { code, text } = await send(made);
  if (code !== 201) throw new Error(`what must be there was refused: ${text}`);
}

async function remove(send: Send, path: string): Promise<void> {
  await send({ method: 'DELETE', path: `${path}?gracePeriodSeconds=0&propagationPolicy=Background` });
}

function nameIn(text: string): string {
  const object: unknown = JSON.parse(text);
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  return isRecord(metadata) ? String(metadata['name']) : '';
}

function answerOf(code: number, text: string): Answer {
  if (code < 400) return { code, reason: '', message: '', causes: [] };
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    // A path that leads nowhere is answered by a plain text.
    return { code, reason: '', message: masked(text.trim()), causes: [] };
  }
  const { reason, message, details } = status as { reason?: string; message?: string; details?: { causes?: Partial<Cause>[] } };
  const causes = (details?.causes ?? []).map((cause) => ({ reason: cause.reason ?? '', field: cause.field ?? '', message: masked(cause.message ?? '') }));
  return { code, reason: reason ?? '', message: masked(message ?? ''), causes };
}

/** Without what is another one each time. */
function masked(text: string): string {
  return text
    .replace(/\b(?!1{8}-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UID')
    .replace(/\bA_[a-z0-9]{5}\b/g, 'A_RANDOM')
    .replace(/(ResourceVersion in record )\(\d+\)/g, '$1(N)')
    .replace(/\b20\d\d-\d\d-\d\d( |T)\d\d:\d\d:\d\d( \+0000 UTC|Z)/g, 'TIME');
}
