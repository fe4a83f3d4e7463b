/** `podium apply` and `podium create`: manifests become objects. */
import { ANNOTATION, KUBECTL, lastAppliedText, readLastApplied } from '../api/core/last-applied.ts';
import { strategicPatch } from '../api/core/patch.ts';
import { PatchProblem } from '../api/core/patch-problem.ts';
import { threeWayPatch } from '../api/core/strategic-diff.ts';
import { builtInKinds } from '../api/kinds/kinds.ts';
import { assert } from '../base/assert.ts';
import { UserError } from '../base/errors.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../client/api-error.ts';
import type { ResourceInfo } from '../kube/resources.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import type { View } from './core/view.ts';
import { explain } from './errors.ts';
import { type Manifest, namespaceOf, readManifests } from './manifests.ts';
import { parseFormat, printData } from './output.ts';
import { nameOf, refOf } from './resources.ts';

export interface ApplyOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  readonly recursive?: boolean;
  readonly dryRun?: string;
  readonly output?: string;
  readonly serverSide?: boolean;
  readonly forceConflicts?: boolean;
  readonly fieldManager?: string;
}

/** Another writer may come between reading and writing; kubectl too gives up after five times. */
const CONFLICT_RETRIES_MAX = 5;

const MANAGER_OF_APPLY = 'kubectl-client-side-apply';
const MANAGER_OF_CREATE = 'kubectl-create';

type Outcome = { readonly word: 'created' | 'configured' | 'unchanged' | 'serverside-applied'; readonly object: View };

export async function apply(context: CliContext, options: ApplyOptions): Promise<number> {
  requireCompatible(options);
  const applyOne = options.serverSide === true ? applyInServer : applyByPatch;
  return eachManifest(context, options, (manifest, namespace) => applyOne(context, manifest, namespace, options));
}

function requireCompatible({ serverSide, forceConflicts, dryRun }: ApplyOptions): void {
  if (serverSide !== true && forceConflicts === true) throw new UserError('error: --force-conflicts only works with --server-side');
  if (serverSide === true && dryRun === 'client') {
    throw new UserError("error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
  }
}

export async function create(context: CliContext, options: ApplyOptions): Promise<number> {
  return eachManifest(context, options, async ({ info, object }, namespace) => {
    if (options.dryRun === 'client') return { word: 'created', object };
    const write = { fieldManager: options.fieldManager ?? MANAGER_OF_CREATE, dryRun: options.dryRun === 'server' };
    const created = await context.api.create<View>(refOf(info, namespace), withNamespace(object, namespace), write);
    return { word: 'created', object: created };
  });
}

/** One object that is refused does not keep the others back. */
async function eachManifest(
  context: CliContext,
  options: ApplyOptions,
  run: (manifest: Manifest, namespace: string | undefined) => Promise<Outcome>,
): Promise<number> {
  const format = parseFormat(options.output);
  const manifests = await readManifests(options.filename, {
    recursive: options.recursive === true,
    readStdin: context.readStdin,
  });
  const dryRun = options.dryRun === undefined || options.dryRun === 'none' ? '' : ` (${options.dryRun === 'server' ? 'server dry run' : 'dry run'})`;
  let exitCode = EXIT_OK;
  for (const manifest of manifests) {
    try {
      const { word, object } = await run(manifest, namespaceOf(manifest, options.namespace));
      const name = nameOf(manifest.info, object.metadata.name);
      if (format === 'yaml' || format === 'json') {
        context.write(`${format === 'yaml' && manifests.length > 1 ? '---\n' : ''}${printData(object, format)}`);
      } else if (format === 'name') context.write(`${name}\n`);
      else context.write(`${name} ${word}${dryRun}\n`);
    } catch (error) {
      context.warn(withPlace(explain(error) ?? '', manifest));
      exitCode = EXIT_FAILED;
    }
  }
  return exitCode;
}

/** The server names fields; of several manifests it cannot say which. */
function withPlace(message: string, { place }: Manifest): string {
  return message.startsWith('error: ') ? message : `${message} (${place})`;
}

/** As kubectl: the difference between what was applied, what is wanted and what is there goes to the server as a patch. */
async function applyByPatch(context: CliContext, { info, object: manifest }: Manifest, namespace: string | undefined, options: ApplyOptions): Promise<Outcome> {
  const { api } = context;
  const ref = refOf(info, namespace);
  const { name } = manifest.metadata;
  const wanted = remembered(withNamespace(manifest, namespace));
  const write = { fieldManager: options.fieldManager ?? MANAGER_OF_APPLY, dryRun: options.dryRun === 'server' };
  const isLocal = options.dryRun === 'client';
  for (let attempt = 0; ; attempt++) {
    try {
      const live = await api.get<View>(ref, name).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (live === undefined) return { word: 'created', object: isLocal ? wanted : await api.create<View>(ref, wanted, write) };
      if (live.metadata.annotations?.[ANNOTATION] === undefined) {
        context.warn(
          `Warning: resource ${nameOf(info, name)} is missing the ${ANNOTATION} annotation which is ` +
            'required by podium apply. The missing annotation will be patched automatically.',
        );
      }
      const patch = patchOf(info, live, wanted);
      if (Object.keys(patch).length === 0) return { word: 'unchanged', object: live };
      const object = isLocal ? patchedHere(info, live, patch) : await api.patch<View>(ref, name, { ...write, type: 'strategic', patch });
      return { word: 'configured', object };
    } catch (error) {
      const isRace = isConflict(error) || isAlreadyExists(error);
      if (!isRace || attempt >= CONFLICT_RETRIES_MAX) throw error;
    }
  }
}

/** What the server merges, it also remembers: no annotation is needed. */
async function applyInServer({ api }: CliContext, { info, object: manifest }: Manifest, namespace: string | undefined, options: ApplyOptions): Promise<Outcome> {
  const { fieldManager = KUBECTL, forceConflicts: force = false, dryRun } = options;
  try {
    const object = await api.apply<View>(refOf(info, namespace), withNamespace(manifest, namespace), { fieldManager, force, dryRun: dryRun === 'server' });
    return { word: 'serverside-applied', object };
  } catch (error) {
    if (!isConflict(error)) throw error;
    const advice = 'Take these fields over with --force-conflicts, leave them out of the manifest, or give them the values that they have.';
    throw new UserError(`error: ${error instanceof Error ? error.message : String(error)}\n${advice}`);
  }
}

function patchOf(info: ResourceInfo, current: View, modified: View): Record<string, unknown> {
  try {
    return threeWayPatch({ model: modelOf(info), original: readLastApplied(current), modified, current });
  } catch (error) {
    if (error instanceof PatchProblem) throw new UserError(`error: ${error.message}`, { cause: error });
    throw error;
  }
}

function patchedHere(info: ResourceInfo, current: View, patch: Record<string, unknown>): View {
  const patched = strategicPatch(modelOf(info), current, patch);
  if (!patched.ok) throw new UserError(`error: ${patched.message}`);
  return patched.value as View; // what a patch makes of an object that is one
}

/** Rules of pods do not matter here, schemas do. */
const kinds = builtInKinds({ evictionTolerationSeconds: 0 });

function modelOf({ group, resource }: ResourceInfo): string {
  const kind = kinds.find(({ info }) => info.group === group && info.resource === resource);
  assert(kind !== undefined, 'what the command line knows, the API server serves');
  return kind.model;
}

function remembered(manifest: View): View {
  // kubectl remembers annotations where there are none, too; both shall find unchanged what the other has applied.
  const applied = { ...manifest, metadata: { ...manifest.metadata, annotations: manifest.metadata.annotations ?? {} } };
  const annotations = { ...manifest.metadata.annotations, [ANNOTATION]: lastAppliedText(applied) };
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

function withNamespace(object: View, namespace: string | undefined): View {
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}
