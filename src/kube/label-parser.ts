/**
 * Label selectors as text: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. The grammar and what is said of its breaches are
 * those of apimachinery's parser.
 */
import { checkLabelValue, checkQualifiedName } from './names.ts';
import type { LabelOperator, LabelQuery, LabelRequirement, Parsed } from './selector.ts';

type Token = { readonly type: 'word' | 'symbol' | 'end'; readonly text: string };

class Breach extends Error {}

const END: Token = { type: 'end', text: '' };
const WORD = /[^\s=!(),<>]+/y;
const SYMBOL = /==|!=|[=!(),<>]/y;
const OPERATORS: Readonly<Record<string, LabelOperator>> = { in: 'In', notin: 'NotIn', '=': 'In', '==': 'In', '!=': 'NotIn', '>': 'Gt', '<': 'Lt' };

export function parseLabelSelector(text: string): Parsed<LabelQuery> {
  try {
    return { ok: true, value: new Parser(tokensOf(text)).query() };
  } catch (error) {
    if (error instanceof Breach) return { ok: false, message: error.message };
    throw error;
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    WORD.lastIndex = SYMBOL.lastIndex = at;
    const word = WORD.exec(text);
    const found = (word ?? SYMBOL.exec(text))![0];
    tokens.push({ type: word === null ? 'symbol' : 'word', text: found });
    at += found.length;
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? END;
  }

  #take(): Token {
    const token = this.#next;
    this.#at++;
    return token;
  }

  #isNext(...symbols: readonly string[]): boolean {
    return this.#next.type === 'symbol' && symbols.includes(this.#next.text);
  }

  query(): LabelQuery {
    const requirements: LabelRequirement[] = [];
    while (this.#next.type !== 'end') {
      if (this.#next.type !== 'word' && !this.#isNext('!')) throw new Breach(`found '${this.#next.text}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#requirement());
      const { text, type } = this.#take();
      if (type === 'end') break;
      if (text !== ',') throw new Breach(`found '${text}', expected: ',' or 'end of string'`);
      if (this.#next.type !== 'word' && !this.#isNext('!')) throw new Breach(`found '${this.#next.text}', expected: identifier after ','`);
    }
    return requirements;
  }

  #requirement(): LabelRequirement {
    try {
      const isNegated = this.#isNext('!');
      if (isNegated) this.#take();
      const key = this.#word();
      if (isNegated) return checked({ key, operator: 'DoesNotExist', values: [] });
      if (this.#next.type === 'end' || this.#isNext(',')) return checked({ key, operator: 'Exists', values: [] });
      const { text } = this.#take();
      const operator = Object.hasOwn(OPERATORS, text) ? OPERATORS[text] : undefined;
      if (operator === undefined) throw new Breach(`found '${text}', expected: in, notin, =, ==, !=, gt, lt`);
      return checked({ key, operator, values: text === 'in' || text === 'notin' ? this.#values() : [this.#value()] });
    } catch (error) {
      throw error instanceof Breach ? new Breach(`unable to parse requirement: ${error.message}`) : error;
    }
  }

  #word(): string {
    const { type, text } = this.#take();
    if (type === 'word') return text;
    throw new Breach(`found '${text}', expected: identifier`);
  }

  #value(): string {
    return this.#next.type === 'end' || this.#isNext(',') ? '' : this.#word();
  }

  /** In parentheses; between two commas there is an empty one. */
  #values(): string[] {
    const open = this.#take();
    if (open.text !== '(') throw new Breach(`found '${open.text}' expected: '('`);
    const values: string[] = [];
    if (this.#isNext(')')) throw new Breach("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
    for (;;) {
      if (this.#next.type !== 'word' && !this.#isNext(',', ')')) throw new Breach(`found '${this.#next.text}', expected: ',', ')' or identifier`);
      values.push(this.#isNext(',', ')') ? '' : this.#word());
      const { text, type } = this.#take();
      if (text === ')') return values;
      if (type === 'end' || text !== ',') throw new Breach(`found '${text}', expected: ',' or ')'`);
    }
  }
}

function checked(requirement: LabelRequirement): LabelRequirement {
  const { key, operator, values } = requirement;
  const badKey = checkQualifiedName(key)[0];
  if (badKey !== undefined) throw new Breach(`<nil>: Invalid value: "${key}": ${badKey}`);
  const isOrder = operator === 'Gt' || operator === 'Lt';
  if (isOrder && !/^[+-]?\d+$/.test(values[0]!)) throw new Breach(`values[0]: Invalid value: "${values[0]}": for 'Gt', 'Lt' operators, the value must be an integer`);
  for (const [index, value] of values.entries()) {
    const badValue = checkLabelValue(value)[0];
    if (badValue !== undefined) throw new Breach(`values[${index}][${key}]: Invalid value: "${value}": ${badValue}`);
  }
  return requirement;
}
