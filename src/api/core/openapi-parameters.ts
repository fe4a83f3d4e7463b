/** The parameters of requests as OpenAPI describes them. Their names and types are Kubernetes'; what is said of them is ours. */
import type { Schema } from './openapi-schemas.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly required?: true;
  readonly schema: Schema;
}

const query = (name: string, type: 'string' | 'integer' | 'boolean', description: string): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type, uniqueItems: true },
});

export const path = (name: string, description: string): Parameter => ({ name, in: 'path', description, required: true, schema: { type: 'string', uniqueItems: true } });

export const PRETTY = query('pretty', 'string', "If 'true', the answer is indented. By default it is for browsers, curl and wget.");
export const DRY_RUN = query('dryRun', 'string', 'When present, nothing is stored; the answer is what it would be. The only valid value is All.');
export const FIELD_MANAGER = query('fieldManager', 'string', 'The name of whoever writes, as metadata.managedFields shows it: at most 128 printable characters.');
export const FIELD_VALIDATION = query(
  'fieldValidation',
  'string',
  'What becomes of unknown or doubled fields: Ignore drops them, Warn drops them and warns, Strict refuses the request.',
);
export const FORCE = query('force', 'boolean', 'Apply takes the fields that others own with other values. Of apply patches only.');
const SELECTION: readonly Parameter[] = [
  query('continue', 'string', 'Goes on with a list where an earlier answer ended.'),
  query('fieldSelector', 'string', 'Only objects whose fields have these values.'),
  query('labelSelector', 'string', 'Only objects whose labels are selected.'),
  query('limit', 'integer', 'The most objects that one answer may hold; more are got with `continue`.'),
  query('resourceVersion', 'string', 'Which state may be answered.'),
  query('resourceVersionMatch', 'string', 'How `resourceVersion` is meant: Exact or NotOlderThan.'),
  query('sendInitialEvents', 'boolean', 'Begins a watch with the present state, ended by a bookmark.'),
  query('timeoutSeconds', 'integer', 'Ends a list or a watch after so long.'),
];
export const LIST: readonly Parameter[] = [
  query('allowWatchBookmarks', 'boolean', 'Sends now and then how far a watch has seen.'),
  ...SELECTION,
  query('watch', 'boolean', 'Watches for changes instead of listing.'),
];
export const DELETE: readonly Parameter[] = [
  DRY_RUN,
  query('gracePeriodSeconds', 'integer', 'How long the object may still live; 0: it goes at once.'),
  query('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy. Whether dependents stay.'),
  query('propagationPolicy', 'string', 'What becomes of dependents: Orphan, Background or Foreground.'),
];
export const DELETE_COLLECTION: readonly Parameter[] = [...DELETE, ...SELECTION];

const container = query('container', 'string', 'Which container is meant; by default the only one.');

/** Of a pod's log. */
export const LOG: readonly Parameter[] = [
  container,
  query('follow', 'boolean', 'Goes on with what is written from now on.'),
  query('insecureSkipTLSVerifyBackend', 'boolean', 'Without a look at who answers for the node.'),
  query('limitBytes', 'integer', 'Ends after so many bytes.'),
  query('previous', 'boolean', 'Of the container before its last restart.'),
  query('sinceSeconds', 'integer', 'Only what was written in so many seconds before now.'),
  query('tailLines', 'integer', 'Only so many lines at the end.'),
  query('timestamps', 'boolean', 'Each line begins with the time at which it was written.'),
];

const STREAMS: readonly Parameter[] = [
  container,
  query('stderr', 'boolean', 'The error output is sent.'),
  query('stdin', 'boolean', 'Input is taken.'),
  query('stdout', 'boolean', 'The output is sent.'),
  query('tty', 'boolean', 'There is a terminal.'),
];

export interface Connect {
  readonly kind: string;
  readonly methods: readonly string[];
  readonly parameters: readonly Parameter[];
  /** More may follow in the path. */
  readonly hasPath: boolean;
}

const ASKED = ['get', 'post'];
const ANY_METHOD = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];
const proxy = (kind: string): Connect => ({ kind, methods: ANY_METHOD, parameters: [query('path', 'string', 'The path to ask for.')], hasPath: true });

/** Of the core group, by resource and name. */
export const CONNECTS: Readonly<Record<string, Readonly<Record<string, Connect>>>> = {
  pods: {
    attach: { kind: 'PodAttachOptions', methods: ASKED, parameters: STREAMS, hasPath: false },
    exec: { kind: 'PodExecOptions', methods: ASKED, parameters: [query('command', 'string', 'What to run, a word each time; there is no shell.'), ...STREAMS], hasPath: false },
    portforward: { kind: 'PodPortForwardOptions', methods: ASKED, parameters: [query('ports', 'integer', 'Which ports are forwarded.')], hasPath: false },
    proxy: proxy('PodProxyOptions'),
  },
  services: { proxy: proxy('ServiceProxyOptions') },
  nodes: { proxy: proxy('NodeProxyOptions') },
};
