/**
 * The command line: verbs, flags and help. Flags are kubectl's where kubectl has the verb. Each verb's code is loaded
 * only when it runs. The global flags are added to every command, for commander accepts them behind a verb only so.
 */
import { resolve } from 'node:path';
import { CommanderError, Option, type Command } from 'commander';
import { AbortedError } from '../base/errors.ts';
import type { CliContext } from './context.ts';
import { VerbCommand } from './verb-command.ts';
import type { VerifyFlags } from './verify.ts';

export interface ProgramOptions {
  readonly version: string;
  /** Runs a verb that talks to the API server. */
  readonly session: (dataDir: string, run: (context: CliContext) => Promise<number>) => Promise<number>;
  /** Runs a part; `argv` is what followed its name, unread. */
  readonly part: (name: string, argv: readonly string[]) => Promise<number>;
}

/** The parts: processes of a cluster. They read their own flags. */
const PARTS: Readonly<Record<string, string>> = {
  store: "a store member, by etcd's own flags",
  apiserver: 'an API server',
  scheduler: 'a scheduler',
  controllers: 'a controller manager',
  node: 'a node agent',
};

type Outcome = Promise<number>;
// Commander hands an action its arguments, then the options as an object whose fields the flags below name.
type Flags = { readonly dataDir: string; readonly namespace?: string };

/** Runs the command line and answers the exit code. */
export async function runProgram(argv: readonly string[], options: ProgramOptions): Outcome {
  const words = flagsBehindVerb(argv);
  const [verb = ''] = words;
  if (Object.hasOwn(PARTS, verb)) return options.part(verb, words.slice(1));
  let exitCode = 0;
  const program = buildProgram(options, (code) => (exitCode = code));
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof AbortedError) return 130;
    throw error;
  }
  return exitCode;
}

/** As with kubectl, `podium --data-dir d -n x get pods` is `podium get pods --data-dir d -n x`. */
export function flagsBehindVerb(argv: readonly string[]): string[] {
  const flags: string[] = [];
  let rest = [...argv];
  for (;;) {
    const length = /^--(?:data-dir|namespace)=|^-n./.test(rest[0] ?? '') ? 1 : /^(?:--data-dir|--namespace|-n)$/.test(rest[0] ?? '') ? 2 : 0;
    if (length === 0 || rest.length <= length) break;
    flags.push(...rest.slice(0, length));
    rest = rest.slice(length);
  }
  const end = rest.indexOf('--');
  return end < 0 ? [...rest, ...flags] : [...rest.slice(0, end), ...flags, ...rest.slice(end)];
}

export function buildProgram(options: ProgramOptions, onExit: (code: number) => void): Command {
  const program = new VerbCommand('podium')
    .description('A Kubernetes-compatible orchestrator on its own replicated, etcd-compatible store.')
    .version(options.version, '--version', 'print the version')
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError("(see 'podium --help', or 'podium <command> --help' for examples)")
    .configureHelp({ sortSubcommands: false });
  const settle = (outcome: Outcome): Promise<void> => outcome.then(onExit);
  const local = <F extends Flags>(run: (flags: F, words: string[]) => Outcome) => actionOf<F>((flags, words) => settle(run(flags, words)));
  const remote = <F extends Flags>(run: (context: CliContext, words: string[], flags: F) => Outcome) => {
    return actionOf<F>((flags, words) => settle(options.session(flags.dataDir, (context) => run(context, words, flags))));
  };

  program.commandsGroup('A local cluster:');
  addLocal(program, local);
  program.commandsGroup('What nodes run:');
  addImages(program, local);
  program.commandsGroup('A store, of Podium or of etcd:');
  addStores(program, local);
  program.commandsGroup('Objects:');
  addObjects(program, remote);
  program.commandsGroup('Workloads:');
  addWorkloads(program, remote);
  program.commandsGroup('Nodes:');
  addNodes(program, remote);
  program.commandsGroup('Parts of a cluster, each a process (started by `up`, or by hand):');
  for (const [name, description] of Object.entries(PARTS)) {
    // Only for the help: runProgram hands these on before commander sees them.
    program.command(name).description(description).allowUnknownOption().argument('[flags...]').action(() => {});
  }
  return program;
}

type Action = (...values: unknown[]) => Promise<void>;

/** Commander calls with (argument..., options, command); an argument is a word, a list of words or missing. */
function actionOf<F extends Flags>(run: (flags: F, words: string[]) => Promise<void>): Action {
  return (...values) => {
    const words = values.slice(0, -2).flat().filter((word): word is string => typeof word === 'string');
    const flags = values.at(-2) as F;
    return run({ ...flags, dataDir: resolve(flags.dataDir) }, words);
  };
}

function verb(parent: Command, usage: string, description: string, examples: readonly string[]): Command {
  const command = parent
    .command(usage)
    .description(description)
    .addOption(new Option('--data-dir <dir>', "the cluster's data directory").env('PODIUM_DATA_DIR').default('.podium'))
    .exitOverride();
  if (examples.length > 0) command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  return command;
}

function namespaced(command: Command): Command {
  return command.option('-n, --namespace <name>', 'the namespace (default: "default")');
}

const collect = (value: string, earlier: string[] | undefined) => [...(earlier ?? []), ...value.split(',')];

type Local = <F extends Flags>(run: (flags: F, words: string[]) => Outcome) => Action;
type Remote = <F extends Flags>(run: (context: CliContext, words: string[], flags: F) => Outcome) => Action;

function addLocal(program: Command, local: Local): void {
  verb(program, 'up', 'start the cluster and keep it running until Ctrl-C', [
    'podium up                                  # cluster-config/local.yaml, data in .podium/',
    'podium up --detach                         # in the background',
    'podium up --data-dir ./second --port-base 100   # a second cluster beside it',
  ])
    .option('--config <file>', "the cluster's configuration (default: cluster-config/local.yaml)")
    .option('--port-base <n>', 'add this to every listening port, 1-9999', '0')
    .option('--insecure-local', 'serve in plain text, without certificates, on loopback only')
    .option('-d, --detach', 'answer once it is ready, and leave it running')
    .action(local<Flags & { portBase: string }>(async (flags) => (await import('./up.ts')).up(flags)));
  verb(program, 'down', 'end the cluster; its data is kept', ['podium down', 'podium down --purge   # remove all its data'])
    .option('--purge', 'remove the data')
    .action(local(async (flags) => (await import('./down.ts')).down(flags)));
  verb(program, 'status', 'what every part is doing; exit code 0 only when all are ready', [
    'podium status',
    'podium status --wait 30   # until every part is ready, at most 30 s',
  ])
    .option('--wait <seconds>', 'wait until every part is ready')
    .option('-o, --output <format>', 'json')
    .action(local(async (flags) => (await import('./status.ts')).status(flags)));
  verb(program, 'env', 'export lines for kubectl, etcdctl and grpcurl', [
    'eval "$(podium env)"',
    'etcdctl endpoint status -w table',
    'grpcurl $PODIUM_GRPCURL 127.0.0.1:6444 list',
  ]).action(local(async (flags) => (await import('./env.ts')).env(flags)));

  const fault = program.command('fault').description('break a part on purpose, and mend it').exitOverride();
  const faults = [
    ['kill', 'kill a part; it stays down until it is restarted', ['podium fault kill store-1', 'podium fault kill node-2 --with-pods']],
    ['pause', 'freeze a part', ['podium fault pause store-2']],
    ['resume', 'let a frozen part go on', ['podium fault resume store-2']],
    ['restart', 'start a part that is down, or end and start one that runs', ['podium fault restart store-1']],
  ] as const;
  for (const [name, description, examples] of faults) {
    const command = verb(fault, `${name} <part...>`, description, examples);
    if (name === 'kill') command.option('--with-pods', "a node's pods too: the whole node dies");
    command.action(local(async (flags, parts) => (await import('./fault.ts')).fault(name, parts, flags)));
  }
  verb(fault, 'list', 'the faults that are in force', ['podium fault list']).action(
    local(async (flags) => (await import('./fault.ts')).faultList(flags)),
  );
}

function addImages(program: Command, local: Local): void {
  const image = program.command('image').description('load, build, pull, list and remove the images of a data directory').exitOverride();
  const json = (command: Command) => command.option('-o, --output <format>', 'json');
  const platform = (command: Command) => command.option('--platform <os/arch>', "such as linux/arm64 (default: this machine's)");
  json(verb(image, 'ls', 'the images that are here', ['podium image ls', 'podium image ls -o json']).alias('list'))
    .option('-q, --quiet', 'ids only')
    .action(local(async (flags) => (await import('./image.ts')).imageList(flags)));
  const pull = verb(image, 'pull <image...>', 'fetch images from their registries', ['podium image pull busybox:1.36', 'podium image pull registry.lan:5000/team/app@sha256:…']);
  platform(json(pull))
    .option('--authfile <file>', 'credentials as `docker login` writes them (default: ~/.docker/config.json)')
    .option('--registries <file>', 'mirrors, and registries without TLS (default: registries.yaml in the data directory)')
    .action(local(async (flags, names) => (await import('./image.ts')).imagePull(flags, names)));
  const load = verb(image, 'load <archive>', 'take images out of a docker archive, an OCI archive or an OCI layout directory', [
    'podium image load app.tar',
    'docker save app:1 | podium image load -',
    'podium image load ./layout --tag app:1',
  ]);
  platform(json(load))
    .option('-t, --tag <name>', 'what the image is called, in place of what the archive says')
    .action(local(async (flags, words) => (await import('./image.ts')).imageLoad(flags, words)));
  verb(image, 'save <image...>', 'write images to a tar that docker and podium load', ['podium image save app:1 -o app.tar'])
    .option('-o, --output <file>', 'the tar; - for standard output', '-')
    .action(local(async (flags, names) => (await import('./image.ts')).imageSave(flags, names)));
  verb(image, 'rm <image...>', 'remove images by name or id; one that a container runs on stays', ['podium image rm app:1'])
    .alias('remove')
    .action(local(async (flags, names) => (await import('./image.ts')).imageRemove(flags, names)));
  const build = verb(image, 'build <folder>', 'make a small image of a folder; the same folder gives the same image', [
    "podium image build ./app --tag app:1 --from podium.dev/host --to /app --workdir /app --cmd 'node server.mjs'",
    'podium image build ./root --tag tool:1 --entrypoint \'["/bin/tool"]\' --env MODE=fast --user 1000 --port 8080',
  ]);
  platform(json(build))
    .option('-t, --tag <name>', 'what it is called')
    .option('--from <image>', "what it lies on: an image, or podium.dev/host for the machine's own programs (default: nothing)")
    .option('--to <path>', 'where in the image the folder lies', '/')
    .option('--entrypoint <command>', 'words, or a JSON list')
    .option('--cmd <command>', 'words, or a JSON list')
    .addOption(new Option('--env <NAME=value>', 'a variable; several times for several').argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]))
    .option('--workdir <path>', 'where the program starts')
    .option('--user <user>', 'uid, uid:gid, or names of the image')
    .addOption(new Option('--port <port>', 'a port that it listens on, 8080 or 53/udp').argParser(collect))
    .action(local<Flags & { to: string }>(async (flags, words) => (await import('./image.ts')).imageBuild(flags, words)));
}

function addStores(program: Command, local: Local): void {
  const check = verb(program, 'verify', 'load a live store, and judge whether what it answered was right', [
    'podium verify                                            # the local cluster',
    'podium verify --endpoints 127.0.0.1:2379,127.0.0.1:2381 --duration 5m',
    'podium verify --endpoints https://etcd:2379 --cacert ca.crt --cert client.crt --key client.key',
    'podium verify --traffic both --clients 30 --history run.jsonl   # break things meanwhile: podium fault kill store-1',
  ]);
  endpoints(check, "the store's members, host:port, separated by commas (default: the local cluster's)")
    .option('--duration <time>', 'how long the load lasts; Ctrl-C ends it, too', '30s')
    .option('--clients <n>', 'how many clients ask at the same time', '10')
    .option('--traffic <shape>', "etcd, kubernetes or both: whose requests to send", 'etcd')
    .option('--compact', "with Kubernetes' traffic: compact as it does. THE WHOLE STORE forgets its old revisions")
    .option('--seed <n>', 'draws the same requests again')
    .option('--history <file>', 'keep what was asked, answered and watched, as JSON lines')
    .action(local<Flags & VerifyFlags>(async (flags) => (await import('./verify.ts')).verify(flags)));
}

function endpoints(command: Command, description: string): Command {
  return command
    .option('--endpoints <list>', description)
    .option('--cacert <file>', 'TLS: the CA of the members')
    .option('--cert <file>', 'TLS: the certificate to show')
    .option('--key <file>', 'TLS: its key');
}

function addObjects(program: Command, remote: Remote): void {
  const output = (command: Command) => command.option('-o, --output <format>', 'wide, yaml, json or name');
  const selectors = (command: Command) => {
    return command
      .option('-l, --selector <labels>', 'only objects with these labels, such as app=hello,tier!=db')
      .option('--field-selector <fields>', 'only objects with these fields, such as status.phase=Running');
  };
  const everywhere = (command: Command) => command.option('-A, --all-namespaces', 'in all namespaces');
  const files = (command: Command, isRequired: boolean) => {
    const option = new Option('-f, --filename <path>', 'a manifest, a directory of them, or - for standard input').argParser(collect);
    return command.addOption(isRequired ? option.makeOptionMandatory() : option).option('-R, --recursive', 'directories below directories too');
  };

  const get = verb(program, 'get [words...]', 'show objects', [
    'podium get pods',
    'podium get pods -o wide -A',
    'podium get deploy/hello -o yaml',
    'podium get pods -l app=hello -w',
    'podium get deploy,rs,pods',
    'podium get all',
  ]).usage('(TYPE[,TYPE] [NAME...] | TYPE/NAME...) [flags]');
  files(everywhere(selectors(output(namespaced(get)))), false)
    .option('-w, --watch', 'then show every change')
    .option('--watch-only', 'show changes only')
    .option('--show-labels', 'the labels in a last column')
    .addOption(new Option('-L, --label-columns <labels>', 'a column for each of these labels').argParser(collect))
    .option('--sort-by <path>', 'in the order of a field, such as .metadata.creationTimestamp')
    .option('--no-headers', 'no titles')
    .option('--ignore-not-found', 'a missing object is no error')
    .action(remote(async (context, words, flags) => (await import('./get.ts')).get(context, words, flags)));

  const describe = verb(program, 'describe [words...]', 'show an object with what belongs to it and its events', [
    'podium describe pod hello-5d8f7c-abcde',
    'podium describe deploy/hello',
    'podium describe node node-1',
  ]).usage('(TYPE [NAME...] | TYPE/NAME...) [flags]');
  everywhere(selectors(namespaced(describe)))
    .option('--show-events', 'with events; --show-events=false: without', true)
    .action(remote(async (context, words, flags) => (await import('./describe.ts')).describe(context, words, flags)));

  const dryRun = (command: Command) => command.addOption(new Option('--dry-run [where]', 'say what would happen').preset('client').choices(['none', 'client', 'server']));
  const apply = verb(program, 'apply', 'make objects be as manifests say', [
    'podium apply -f cluster-config/examples/hello.yaml',
    'podium apply -f ./manifests/',
    'cat hello.yaml | podium apply -f -',
    'podium apply --server-side -f hello.yaml   # the server merges, and knows who owns which field',
  ]);
  dryRun(output(files(namespaced(apply), true)))
    .option('--server-side', 'merge in the server; a field that another manager wants otherwise is a conflict')
    .option('--force-conflicts', 'with --server-side: take such fields over')
    .option('--field-manager <name>', 'who owns what is applied')
    .action(
    remote<Flags & { filename: string[] }>(async (context, _, flags) => (await import('./apply.ts')).apply(context, flags)),
  );
  const create = verb(program, 'create', 'create objects of manifests; one that exists is an error', ['podium create -f hello.yaml']);
  dryRun(output(files(namespaced(create), true))).action(
    remote<Flags & { filename: string[] }>(async (context, _, flags) => (await import('./apply.ts')).create(context, flags)),
  );
  const remove = verb(program, 'delete [words...]', 'delete objects, and wait until they are gone', [
    'podium delete pod hello-5d8f7c-abcde',
    'podium delete -f hello.yaml',
    'podium delete pods -l app=hello',
    'podium delete deploy --all',
  ]).usage('(TYPE [NAME...] | TYPE/NAME... | -f FILE) [flags]');
  dryRun(files(everywhere(selectors(output(namespaced(remove)))), false))
    .option('--all', 'all objects of the type')
    .option('--grace-period <seconds>', 'how long a pod may take to end')
    .option('--now', 'with a grace period of one second')
    .option('--force', 'with --grace-period=0: at once, without waiting for the node')
    .option('--ignore-not-found', 'a missing object is no error')
    .addOption(new Option('--cascade [how]', 'background, foreground or orphan: what becomes of what the object owns').preset('background').default('background'))
    .option('--wait', 'wait until they are gone; --wait=false: do not', true)
    .option('--timeout <duration>', 'wait at most so long, such as 30s; 0: without end', '0')
    .action(remote(async (context, words, flags) => (await import('./delete.ts')).remove(context, words, flags)));

  const events = verb(program, 'events', 'what happened, oldest first', ['podium events', 'podium events --for pod/hello-5d8f7c-abcde', 'podium events -A -w']);
  everywhere(namespaced(events))
    .option('--for <object>', 'only of one object, TYPE/NAME')
    .option('--types <type>', 'Normal or Warning')
    .option('-w, --watch', 'then show every change')
    .option('-o, --output <format>', 'wide, yaml, json or name')
    .option('--no-headers', 'no titles')
    .action(remote(async (context, _, flags) => (await import('./events.ts')).events(context, flags)));
}

function addConnections(program: Command, remote: Remote): void {
  const interactive = (command: Command) =>
    namespaced(command)
      .option('-c, --container <name>', 'which container')
      .option('-i, --stdin', 'pass standard input on')
      .option('-t, --tty', 'standard input is a terminal');
  interactive(verb(program, 'exec <words...>', 'run a command in a container', ['podium exec hello-5d8f7c-abcde -- ls -l', 'podium exec -it hello-5d8f7c-abcde -- sh']).usage('POD [-c CONTAINER] [-it] -- COMMAND [args...]'))
    .action(remote(async (context, words, flags) => (await import('./exec.ts')).exec(context, words, flags)));
  interactive(verb(program, 'attach <words...>', 'what a container writes from now on, and what it reads', ['podium attach -it shell']).usage('POD [-c CONTAINER] [-it]'))
    .action(remote(async (context, words, flags) => (await import('./exec.ts')).attach(context, words, flags)));
  const copy = verb(program, 'cp <words...>', 'copy files and folders into a pod, or out of it', ['podium cp ./site hello-5d8f7c-abcde:site', 'podium cp hello-5d8f7c-abcde:log.txt .']).usage('SOURCE DESTINATION');
  namespaced(copy)
    .option('-c, --container <name>', 'which container')
    .action(remote(async (context, words, flags) => (await import('./copy.ts')).copy(context, words, flags)));
  const forward = verb(program, 'port-forward <words...>', "a pod's ports on this machine, until Ctrl-C", ['podium port-forward hello-5d8f7c-abcde 8080:80']).usage('POD [LOCAL_PORT:]REMOTE_PORT...');
  namespaced(forward)
    .option('--address <ip>', 'where to listen (default: 127.0.0.1)')
    .action(remote(async (context, words, flags) => (await import('./port-forward.ts')).portForward(context, words, flags)));
}

function addWorkloads(program: Command, remote: Remote): void {
  const logs = verb(program, 'logs [words...]', 'what a container wrote', [
    'podium logs hello-5d8f7c-abcde',
    'podium logs -f deploy/hello',
    'podium logs -p hello-5d8f7c-abcde   # of the run before this one',
    'podium logs -l app=hello --prefix',
  ]).usage('[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [flags]');
  namespaced(logs)
    .option('-f, --follow', 'go on as it is written')
    .option('-p, --previous', "of the container's run before this one")
    .option('-c, --container <name>', 'which container')
    .option('--all-containers', 'all containers of the pod')
    .option('--tail <lines>', 'only the last lines; -1: all')
    .option('--since <duration>', 'only newer than, such as 5s, 2m or 3h')
    .option('--timestamps', 'each line with its time')
    .option('-l, --selector <labels>', 'of every pod with these labels')
    .option('--prefix', 'each line with its pod and container')
    .option('--max-log-requests <n>', 'how many to follow at once (default: 5)')
    .action(
      remote(async (context, words, flags: Flags & { container?: string }) => {
        // The old form: logs POD CONTAINER.
        const [pod, container] = words;
        const chosen = container === undefined ? flags : { ...flags, container };
        return (await import('./logs.ts')).logs(context, pod === undefined ? [] : [pod], chosen);
      }),
    );

  addConnections(program, remote);

  const scale = verb(program, 'scale <words...>', 'set how many replicas there shall be', ['podium scale --replicas=5 deployment/hello', 'podium scale deploy hello --replicas 0']);
  namespaced(scale)
    .requiredOption('--replicas <n>', 'how many')
    .option('--current-replicas <n>', 'only if there are so many now')
    .action(remote<Flags & { replicas: string }>(async (context, words, flags) => (await import('./scale.ts')).scale(context, words, flags)));

  const rollout = program.command('rollout').description('watch a roll-out, go back, restart').exitOverride();
  const verbs = [
    ['status', 'wait until a roll-out is done', ['podium rollout status deployment/hello']],
    ['history', 'the revisions', ['podium rollout history deployment/hello', 'podium rollout history deploy/hello --revision=2']],
    ['undo', 'back to the revision before, or to another', ['podium rollout undo deployment/hello', 'podium rollout undo deploy/hello --to-revision=3']],
    ['restart', 'replace all pods, a few at a time', ['podium rollout restart deployment/hello']],
    ['pause', 'let no change of the template take effect', ['podium rollout pause deployment/hello']],
    ['resume', 'let changes take effect again', ['podium rollout resume deployment/hello']],
  ] as const;
  for (const [name, description, examples] of verbs) {
    const command = namespaced(verb(rollout, `${name} <words...>`, description, examples));
    if (name === 'status') {
      command
        .option('-w, --watch', 'wait until it is done; --watch=false: do not', true)
        .option('--timeout <duration>', 'wait at most so long, such as 30s; 0: without end', '0s');
    }
    if (name === 'undo') command.option('--to-revision <n>', 'the revision to go back to; 0: the one before', '0');
    if (name === 'history') command.option('--revision <n>', 'show the template of one revision');
    command.action(remote(async (context, words, flags) => (await import('./rollout.ts')).rollout(context, name, words, flags)));
  }
}

function addNodes(program: Command, remote: Remote): void {
  const selector = (command: Command) => command.option('-l, --selector <labels>', 'every node with these labels');
  selector(verb(program, 'cordon [node...]', 'take no new pods on a node', ['podium cordon node-1'])).action(
    remote<Flags & { selector?: string }>(async (context, nodes, flags) => (await import('./drain.ts')).cordon(context, nodes, true, flags.selector)),
  );
  selector(verb(program, 'uncordon [node...]', 'take new pods again', ['podium uncordon node-1'])).action(
    remote<Flags & { selector?: string }>(async (context, nodes, flags) => (await import('./drain.ts')).cordon(context, nodes, false, flags.selector)),
  );
  selector(verb(program, 'drain [node...]', 'move all pods off a node, and take no new ones', ['podium drain node-1', 'podium drain node-1 --force --grace-period=5']))
    .option('--ignore-daemonsets', 'leave the pods of DaemonSets')
    .option('--delete-emptydir-data', 'go on though emptyDir volumes are lost')
    .option('--force', 'also pods that nothing will create again')
    .option('--grace-period <seconds>', 'how long a pod may take to end')
    .option('--disable-eviction', 'delete, and ask no disruption budget')
    .option('--timeout <duration>', 'give up after so long, such as 60s; 0: never', '0s')
    .action(remote<Flags & { selector?: string }>(async (context, nodes, flags) => (await import('./drain.ts')).drain(context, nodes, flags)));
  verb(program, 'capacity', 'which node has room: capacity, requested, free', ['podium capacity']).action(
    remote(async (context) => (await import('./capacity.ts')).capacity(context)),
  );
}
