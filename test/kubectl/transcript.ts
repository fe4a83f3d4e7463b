/**
 * A session at a shell as text. `$ ` begins a command, `> ` goes on with it; what it printed follows, standard error
 * among the rest, and at the end `[exit N]` where that is not 0. Lines that begin with `#` between two commands are
 * comments; a blank line ends a command's output where the next line is a command or a comment, or the file ends.
 */

export interface Command {
  readonly comments: readonly string[];
  readonly line: string;
  readonly output: string;
}

const BEGINS = /^(?:\$ |# )/;

export function parseTranscript(text: string): readonly Command[] {
  const commands: Command[] = [];
  const lines = text.split('\n');
  let at = 0;
  while (at < lines.length) {
    const comments: string[] = [];
    while (at < lines.length && !lines[at]!.startsWith('$ ')) {
      if (lines[at] !== '') comments.push(lines[at]!);
      at++;
    }
    if (at === lines.length) break;
    const words = [lines[at++]!.slice(2)];
    while (lines[at]?.startsWith('> ') === true || lines[at] === '>') words.push(lines[at++]!.slice(2));
    const output: string[] = [];
    while (at < lines.length && !endsOutput(lines, at)) output.push(lines[at++]!);
    commands.push({ comments, line: words.join('\n'), output: output.join('\n') });
  }
  return commands;
}

function endsOutput(lines: readonly string[], at: number): boolean {
  if (lines[at]!.startsWith('$ ')) return true;
  if (lines[at] !== '') return false;
  const next = lines[at + 1];
  return next === undefined || BEGINS.test(next);
}

export function formatCommand({ comments, line, output }: Command): string {
  const [first = '', ...more] = line.split('\n');
  return [...comments, `$ ${first}`, ...more.map((each) => `> ${each}`.trimEnd()), ...(output === '' ? [] : [output]), '', ''].join('\n');
}
