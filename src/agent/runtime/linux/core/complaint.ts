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

/** Why a command beside a container did not run, in runc's words whoever says it; undefined: nothing was said. */
export function readExecComplaint(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  const complaint = readComplaint(text);
  const missing = /executable file [`"](.+?)[`"] not found in \$PATH/.exec(complaint)?.[1] ?? /exec: "(.+?)": executable file not found in \$PATH/.exec(complaint)?.[1];
  return missing === undefined ? complaint : `exec: "${missing}": executable file not found in $PATH`;
}

/** So crun says it once more, besides its log, from where the command would have written. */
export function missingProgramLine(program: string): string {
  return `executable file \`${program}\` not found in $PATH: No such file or directory`;
}
