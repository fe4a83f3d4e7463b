/** What a person sees of a failure: kubectl's words for what the API server refused, one line, no stack trace. */
import { AbortedError, describeError, UserError } from '../base/errors.ts';
import { ApiError } from '../kube/errors.ts';

/** The lines for standard error; undefined for an end that was asked for (Ctrl-C). */
export function explain(error: unknown): string | undefined {
  if (error instanceof AbortedError) return undefined;
  if (error instanceof UserError) return describeError(error);
  if (error instanceof ApiError) return explainApi(error);
  if (error instanceof Error && process.env['PODIUM_DEBUG'] !== undefined) return error.stack ?? error.message;
  return `error: ${describeError(error)}`;
}

function explainApi(error: ApiError): string {
  const { details } = error;
  if (error.reason === 'Invalid' && details?.kind !== undefined) {
    const causes = (details.causes ?? []).map(({ field, message }) => (field ? `${field}: ${message ?? ''}` : (message ?? '')));
    const subject = `The ${details.kind} ${JSON.stringify(details.name ?? '')} is invalid: `;
    if (causes.length === 1) return subject + causes[0]!;
    if (causes.length > 1) return `${subject}\n${causes.map((cause) => `* ${cause}`).join('\n')}`;
  }
  return `Error from server (${error.reason}): ${error.message}`;
}
