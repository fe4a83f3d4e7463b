/** `podium apply` and `podium create`: manifests become objects. */
import { isAlreadyExists, isConflict, isNotFound } from '../client/api-error.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { isUnchanged, LAST_APPLIED, lastApplied, mergeThreeWay, readLastApplied } from './core/merge.ts';
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
}

/** Another writer may come between reading and writing; kubectl too gives up after five times. */
const CONFLICT_RETRIES_MAX = 5;

const MANAGER_OF_APPLY = 'kubectl-client-side-apply';
const MANAGER_OF_CREATE = 'kubectl-create';

type Outcome = { readonly word: 'created' | 'configured' | 'unchanged'; readonly object: View };

export async function apply(context: CliContext, options: ApplyOptions): Promise<number> {
  return eachManifest(context, options, (manifest, namespace) => applyOne(context, manifest, namespace, options));
}

export async function create(context: CliContext, options: ApplyOptions): Promise<number> {
  return eachManifest(context, options, async ({ info, object }, namespace) => {
    if (options.dryRun === 'client') return { word: 'created', object };
    const write = { fieldManager: MANAGER_OF_CREATE, dryRun: options.dryRun === 'server' };
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

async function applyOne(context: CliContext, { info, object: manifest }: Manifest, namespace: string | undefined, options: ApplyOptions): Promise<Outcome> {
  const { api } = context;
  const ref = refOf(info, namespace);
  const wanted = withNamespace(manifest, namespace);
  const write = { fieldManager: MANAGER_OF_APPLY, dryRun: options.dryRun === 'server' };
  const isLocal = options.dryRun === 'client';
  for (let attempt = 0; ; attempt++) {
    try {
      const live = await api.get<View>(ref, manifest.metadata.name).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (live === undefined) {
        const annotations = { ...wanted.metadata.annotations, [LAST_APPLIED]: lastApplied(wanted) };
        const fresh: View = { ...wanted, metadata: { ...wanted.metadata, annotations } };
        return { word: 'created', object: isLocal ? fresh : await api.create<View>(ref, fresh, write) };
      }
      if (readLastApplied(live) === undefined) {
        context.warn(
          `Warning: resource ${nameOf(info, manifest.metadata.name)} is missing the ${LAST_APPLIED} annotation which is ` +
            'required by podium apply. The missing annotation will be patched automatically.',
        );
      }
      const merged = mergeThreeWay(live, readLastApplied(live), wanted);
      if (isUnchanged(live, merged)) return { word: 'unchanged', object: live };
      return { word: 'configured', object: isLocal ? merged : await api.update<View>(ref, merged, write) };
    } catch (error) {
      const isRace = isConflict(error) || isAlreadyExists(error);
      if (!isRace || attempt >= CONFLICT_RETRIES_MAX) throw error;
    }
  }
}

function withNamespace(object: View, namespace: string | undefined): View {
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}
