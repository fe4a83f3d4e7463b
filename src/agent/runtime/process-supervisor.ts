/**
 * The supervisor of one container of the process runtime: a shell that outlives the agent and remembers how the program
 * ended. A shell and not a Node process, since it costs 0.2 MB instead of 40.
 *
 *   agent ──spawn, detached──► sh (own session) ──► setsid program (own session and group)
 *                               │ writes DIR/pid  : pid and start time of the program, then of itself
 *                               └ writes DIR/exit : the exit code; the file's time is the time of the end
 *
 * A container that can be written to has the FIFOs DIR/stdin and DIR/stdin-end. A keeper holds the first open, so that
 * the program reads no end between two writers; it goes when somebody opens the second.
 *
 * Both files appear by rename, whole or not at all. The program's group is signalled by the agent directly; the
 * supervisor is in another session, so that it is there to see the end.
 */

/** Arguments: the container's directory, the working directory, program and arguments. */
export const SUPERVISOR_SCRIPT = `#!/bin/sh
dir=$1
cwd=$2
shift 2
started() {
  # A program may have ended already; that is no line of its log.
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- \${stat##*) }
  echo "\${20}"
}
cd "$cwd" || exit 1
if [ -p "$dir/stdin" ]; then
  # Open for the program too, which would wait for ever where the keeper has died before it began.
  exec 8<>"$dir/stdin"
  (exec >/dev/null 2>&1; read -r _ <"$dir/stdin-end") &
  setsid "$@" <"$dir/stdin" 8>&- &
else
  setsid "$@" &
fi
child=$!
echo "$child $(started "$child") $$ $(started "$$")" >"$dir/pid.tmp"
mv -f "$dir/pid.tmp" "$dir/pid"
exec >/dev/null 2>&1 8>&-
# Room for its end, which the disk may not have any more then.
echo '   ' >"$dir/exit.tmp"
wait "$child"
echo "$?" 1<>"$dir/exit.tmp"
mv -f "$dir/exit.tmp" "$dir/exit"
`;

/**
 * Loaded into Node programs first: a server that listens on "all addresses" listens on its pod's. Without a network
 * namespace of its own such a server would answer on every pod's address, and clash with the next one.
 */
export const PIN_SCRIPT = `'use strict';
const net = require('net');
const ip = process.env.POD_IP;
const listen = net.Server.prototype.listen;
const isAny = (host) => host === undefined || host === null || host === '' || host === '0.0.0.0' || host === '::';
if (ip) net.Server.prototype.listen = function (...args) {
  const [first, second] = args;
  if (typeof first === 'object' && first !== null && first.port !== undefined && isAny(first.host)) {
    args[0] = { ...first, host: ip };
  } else if (typeof first === 'number' || /^\\d+$/.test(first)) {
    if (typeof second !== 'string') args.splice(1, 0, ip);
    else if (isAny(second)) args[1] = ip;
  }
  return listen.apply(this, args);
};
`;

export interface SupervisorPids {
  readonly child: { readonly pid: number; readonly startTime: string };
  readonly supervisor: { readonly pid: number; readonly startTime: string };
}

/** Undefined: not what the supervisor writes. A program that ended at once may have no start time any more. */
export function parsePids(text: string): SupervisorPids | undefined {
  const match = /^(\d+) (\d*) (\d+) (\d+)\s*$/.exec(text);
  if (match === null) return undefined;
  const [, childPid, childStart, pid, startTime] = match as unknown as [string, string, string, string, string]; // four groups
  return {
    child: { pid: Number(childPid), startTime: childStart },
    supervisor: { pid: Number(pid), startTime },
  };
}
