/**
 * A verb's command line by kubectl's rule: a flag that is on or off takes a value only behind `=`, as does one whose value
 * may be left out. So in `delete pod x --wait y` y is a pod. Commander knows no `=` for the former, and gives the next word to
 * the latter.
 */
import { Command, InvalidArgumentError, type Option, type ParseOptionsResult } from 'commander';

/** As Go reads them, in which kubectl is written. */
const TRUE: ReadonlySet<string> = new Set(['true', 'True', 'TRUE', 't', 'T', '1']);
const FALSE: ReadonlySet<string> = new Set(['false', 'False', 'FALSE', 'f', 'F', '0']);

export class VerbCommand extends Command {
  override createCommand(name?: string): VerbCommand {
    return new VerbCommand(name);
  }

  override parseOptions(words: string[]): ParseOptionsResult {
    const rest: string[] = [];
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      if (word === '--') {
        rest.push(...words.slice(i));
        break;
      }
      const { flag, value } = split(word);
      const option = this.options.find(({ long, short }) => flag === long || flag === short);
      if (option === undefined) rest.push(word);
      else if (value !== undefined && (option.required || option.optional)) rest.push(`${option.long ?? flag}=${value}`);
      else if (option.required) rest.push(word, ...words.slice(++i, i + 1));
      else if (option.optional) rest.push(`${flag}=${String(option.presetArg)}`);
      else if (value === undefined) rest.push(word);
      else this.#switch(option, value);
    }
    return super.parseOptions(rest);
  }

  #switch(option: Option, value: string): void {
    const isOn = TRUE.has(value);
    if (!isOn && !FALSE.has(value)) {
      const error = new InvalidArgumentError(`error: invalid argument '${value}' for '${option.flags}': true or false`);
      this.error(error.message, { code: error.code, exitCode: 1 });
    }
    this.setOptionValueWithSource(option.attributeName(), isOn !== option.negate, 'cli');
  }
}

/** `--flag=value`, `-f=value`; of anything else the whole is the flag. */
function split(word: string): { readonly flag: string; readonly value?: string } {
  const [, flag, value] = /^(--[^=]+|-[a-zA-Z])=(.*)$/s.exec(word) ?? [];
  return flag === undefined || value === undefined ? { flag: word } : { flag, value };
}
