/** Where we answer otherwise than Kubernetes, and why. */
export interface Difference {
  /** `words`: code, reason, and fields and reasons of the causes are the same. */
  readonly in: 'words' | 'causes';
  readonly why: string;
}

const CLIENT_FAULT = 'What a client does wrong is no error of the server: Kubernetes answers 500, we a 4xx.';
const INTERNAL = 'Kubernetes shows the value in its internal form, with names and nulls that no client ever sent; we show what was sent.';
const READER = "The words are those of another reader of JSON or YAML, or of Go's types.";
const PLACE = 'Kubernetes names the line of its source, or a conversion of its own; we say what was expected.';
const PATCHED = "The patched object is quoted whole, and Go orders its fields otherwise; Kubernetes' scale has managed fields.";
const SAYS_MORE = 'Ours says more.';

const words = (why: string, ...names: readonly string[]) => names.map((name): [string, Difference] => [name, { in: 'words', why }]);
const causes = (why: string, ...names: readonly string[]) => names.map((name): [string, Difference] => [name, { in: 'causes', why }]);

export const DIFFERENCES: Readonly<Record<string, Difference>> = Object.fromEntries([
  ...causes(
    CLIENT_FAULT,
    'a resource version at birth', 'an update of a version that is none', 'strategic patch: an item without its key', 'strategic patch: an unknown directive',
    'apply: a wrong type', 'apply: an unknown field', 'apply: an item twice', 'binding: no target', 'binding: a target that is no node',
  ),
  ...causes('An item that nobody could name later is refused as the config is read, not when the object is found to lack something.', 'apply: an item without its key'),
  ...causes('RFC 6902 wants a value; Kubernetes takes null for one that is missing.', 'JSON patch: no value'),
  ...causes('Every answer is a Status, of an unknown group too.', 'a group that is none'),
  ...causes('Our service accounts are looked up before the object is validated; the recorded server ran without that admission plugin.', 'pod: a bad service account name'),
  ...causes('A manifest without the service account that the server has put in changes that too; the recorded server puts none in.', 'pod update: no image'),
  ...causes('Pods that are processes of one machine, and its API servers, have loopback addresses, and stand behind Services.', 'endpoints: a loopback address'),
  ...causes('Only controllers write it, and ours are not checked against themselves.', 'status: counts below none'),
  ...words(READER, 'not JSON', 'no body', 'JSON that is a text', 'JSON that is a list', 'JSON with something behind', 'YAML that is none', 'a kind that is a number'),
  ...words(READER, 'a patch that is not JSON', 'apply: YAML that is none', 'a deletion whose body is a list', 'a deletion whose body is not JSON', 'strategic patch: a text in place of a list'),
  // Not even where a word stands: it may be of a secret.
  ...words(READER, 'secret: docker with a config that is none'),
  ...words(PLACE, 'another kind', 'an unknown kind', 'another version', 'another group', 'a field of a list twice, strictly', 'a deletion whose body is another kind', 'scale: another kind'),
  ...words(PLACE, 'an update of another uid'),
  ...words(PATCHED, 'merge patch: a wrong type', 'merge patch: another kind', 'merge patch: an unknown field, strictly', 'JSON patch: a value that does not fit', 'scale: a wrong type'),
  ...words(SAYS_MORE, 'a patch of an unknown type', 'service: a cluster address out of range'),
  ...words(INTERNAL, 'security: root and not root', 'deployment: an unknown strategy', 'stateful set: an unknown update strategy', 'stateful set: a rolling update of OnDelete'),
  ...words(INTERNAL, 'daemon set: an unknown update strategy', 'job: more completions', 'job: another template', 'service: a port twice', 'node: a taint twice', 'budget: both bounds'),
  ...words(INTERNAL, 'role binding: another role'),
  ...words(`${INTERNAL} It also shows how the two differ.`, 'pod update: another command', 'pod update: another restart policy', 'pod update: another node selector', 'pod update: another node'),
  ...words(`${INTERNAL} It also shows how the two differ.`, 'claim: other modes', 'claim: a smaller size'),
  ...words(
    'Kubernetes says null in place of the value that was sent.',
    'endpoint slice: another address type', 'storage class: other parameters', 'storage class: another provisioner', 'storage class: another reclaim policy',
  ),
]);
