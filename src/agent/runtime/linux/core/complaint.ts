/** What a start that failed has written: the last line of tools that say one thing, the message of a log's line (runc). */
export function readComplaint(text: string): string {
  const last = text.trim().split('\n').at(-1) ?? '';
  const message = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(last)?.[1];
  if (message === undefined) return last;
  try {
    return JSON.parse(message) as string; // between quotes it is a text
  } catch {
    return last; // escapes that are no JSON
  }
}
