/**
 * What differs from run to run, replaced by its name: the one place for all transcripts. A mask hides what a value is,
 * never that it is there; and where its width varies, the padding of the table around it goes too.
 */

export interface Place {
  /** Such as `https://127.0.0.1:6443`. */
  readonly server: string;
  /** Where the commands run. */
  readonly folder: string;
}

type Mask = readonly [pattern: RegExp, name: string];

/** apimachinery's alphabet of generated names: no vowels, so that no words come of it. */
const RANDOM = '[bcdfghjklmnpqrstvwxz2456789]';

/** Of one width each: what stands behind them in a table stays in its place. */
const fixed: readonly Mask[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uid>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, '<time>'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, '<time>'],
  [/(?<=[a-z0-9]\.)[0-9a-f]{16}\b/g, '<suffix>'],
  // Before what looks like a hash: ten digits do, too.
  [/(?<=kubectl-edit-)\d+/g, '<number>'],
  [new RegExp(`(?<=[a-z0-9]-)${RANDOM}{8,10}-${RANDOM}{5}(?![a-z0-9-])`, 'g'), '<hash>-<suffix>'],
  [new RegExp(`(?<=[a-z0-9]-)${RANDOM}{5}(?![a-z0-9-])`, 'g'), '<suffix>'],
  [new RegExp(`(?<=[a-z0-9]-)${RANDOM}{10}(?![a-z0-9-])`, 'g'), '<hash>'],
  [new RegExp(`(?<=pod-template-hash[=:] ?"?)${RANDOM}{8,10}`, 'g'), '<hash>'],
  [/^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ /gm, '<log> '],
  // What client-go says of its own pace; whether it was opening a watch when a --timeout ended is such a thing, too.
  [/^<log> .*(?:very short watch|"Failed to watch" err="context deadline exceeded").*\n/gm, ''],
  // Without isolation a program may lie in the container's directory, too.
  [/(?<=executable file not found in \$PATH) or the container's directory/g, ''],
  [/\b(?:process|linux):\/\//g, '<runtime>://'],
  [/(?<=podium\.dev\/runtime=)(?:process|linux)/g, '<runtime>'],
  [/\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/g, '<token>'],
];

const varying: readonly Mask[] = [
  [/(?<=resourceVersion"?: ?")\d+(?=")/g, '<version>'],
  [/(?<=resource ?version[^\d\n]{0,20})\d+/gi, '<version>'],
  [/(?<=resource version to be \S+, was )\d+/g, '<version>'],
  // Of the runtime's ranges: 127.0.0.0/8 with `process`, pods and services of 10.0.0.0/8 with `linux`.
  [/\b(?:127\.\d+|10\.(?:244|96))\.\d+\.\d+(?!\d)(?<!127\.0\.0\.1)/g, '<ip>'],
  [/(?<=127\.0\.0\.1:)\d+/g, '<port>'],
];

/** What `kubectl top` tells, below its own headings alone: elsewhere the like of it is an age or a request. */
const USAGE: readonly Mask[] = [
  [/(?<=\s)\d+m(?=\s|$)/gm, '<cpu>'],
  [/(?<=\s)\d+Mi(?=\s|$)/gm, '<memory>'],
  [/(?<=\s)\d+%(?=\s|$)/gm, '<percent>'],
];

/** An age as kubectl prints it, standing for itself: no part of a word, a path, an assignment or a list. */
const AGE = /(?<=^|[ (])(?:\d+d(?:\d+h)?|\d+h(?:\d+m)?|\d+m(?:\d+s)?|\d+s|<invalid>)(?= ago\)|\)| \(x|\s|$)/gm;

export function masked(output: string, { server, folder }: Place): string {
  let text = output.replaceAll(server, '<server>').replaceAll(server.replace('https://', ''), '<address>').replaceAll(folder, '<folder>');
  for (const [pattern, name] of fixed) text = text.replace(pattern, name);
  return text.split(/(\n\n+)/).map(maskedBlock).join('').replace(/[ \t]+$/gm, '');
}

/** Lines that belong together, as those of a table do. */
function maskedBlock(block: string): string {
  let text = block;
  for (const [pattern, name] of varying) text = text.replace(pattern, name);
  if (/ CPU\(cores\) /.test(text)) for (const [pattern, name] of USAGE) text = text.replace(pattern, name);
  text = text.replace(AGE, '<age>');
  return text === block ? text : text.replace(/(?<=\S) {2,}/g, '   ');
}
