/** `WWW-Authenticate` (RFC 9110 §11.6.1): how a registry wants to be asked. Several challenges may stand in one header. */
export interface Challenge {
  /** In small letters: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in small letters; of a name that is there twice the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

const CHARACTERS_MAX = 16 * 1024;
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;
/** `token68`, as Negotiate has it; nothing that we answer. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
/** A name and what begins a value; base64 that ends in `=` is none. */
const PARAMETER = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?=["!#$%&'*+\-.^_`|~0-9A-Za-z])/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/** What cannot be read ends it; the challenges before it stand. */
export function parseChallenges(header: string): Challenge[] {
  const scanner = new Scanner(header.slice(0, CHARACTERS_MAX));
  const challenges: Challenge[] = [];
  for (;;) {
    scanner.take(SEPARATOR);
    const scheme = scanner.take(TOKEN)?.[0];
    if (scheme === undefined) return challenges;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    scanner.take(SPACE);
    while (takeParameter(scanner, parameters)) scanner.take(SEPARATOR);
    scanner.take(TOKEN68);
  }
}

/** True: one was read. False: what follows is another challenge, or the end; nothing is taken then. */
function takeParameter(scanner: Scanner, into: Map<string, string>): boolean {
  const name = scanner.take(PARAMETER)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  const value = scanner.take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') ?? scanner.take(TOKEN)?.[0];
  if (value === undefined) {
    // A quote that is never closed: nothing behind it means anything.
    scanner.giveUp();
    return false;
  }
  if (!into.has(name)) into.set(name, value);
  return true;
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Of a sticky pattern. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    this.#at += match?.[0].length ?? 0;
    return match;
  }

  giveUp(): void {
    this.#at = this.#text.length;
  }
}
