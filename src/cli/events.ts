/** `podium events`: what happened, oldest first. */
import { type CliContext } from './context.ts';
import { get } from './get.ts';
import { parseTarget } from './resources.ts';

export interface EventsOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly for?: string;
  readonly types?: string;
  readonly watch?: boolean;
  readonly output?: string;
  readonly headers?: boolean;
}

export function events(context: CliContext, options: EventsOptions): Promise<number> {
  const fields: string[] = [];
  if (options.for !== undefined) {
    const { info, name } = parseTarget([options.for]);
    fields.push(`involvedObject.kind=${info.kind}`, `involvedObject.name=${name}`);
  }
  if (options.types !== undefined) fields.push(`type=${options.types}`);
  const { for: _, types: __, ...rest } = options;
  return get(context, ['events'], { ...rest, ...(fields.length === 0 ? {} : { fieldSelector: fields.join(',') }) });
}
