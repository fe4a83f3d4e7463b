/**
 * The supervisor of one container of the linux runtime: a shell that outlives the agent and remembers how the program
 * ended. A shell and not a Node process, since it costs 0.2 MB instead of 40.
 *
 *   agent ──spawn, detached──► supervisor ──► nsenter, unshare ═► reaper ──► init ═► program      (═► becomes)
 *                               │ own session    │ pod's net, ipc, uts   │ the first process of the container's pid namespace
 *                               │                                          └ writes DIR/pid: pid and start time of the program,
 *                               │                                            then of the supervisor
 *                               └ writes DIR/exit: the exit code; the file's time is the time of the end
 *
 * The reaper is there because `unshare --fork` does not tell rightly how its child ended by a signal. It stands outside
 * the pid namespace, in which everything is that it starts from now on, so it starts nothing but init. Init writes down its
 * pid by itself, while it is still known by its environment: at no instant is there a program of which nobody knows.
 * A container that can be written to has FIFOs, and a keeper that goes when somebody opens the second, as with the process
 * runtime (process-supervisor.ts); the agent opens it when the container has ended.
 *
 * With crun or runc there is no reaper: the runtime, in the foreground, tells how its container ended.
 */

/** Sets `start` to the start time of a process; the name in its stat may hold anything, so what is left of it goes. */
const START_TIME = `started() {
  start=
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  set -- \${stat##*) }
  start=\${20}
}`;

/** Arguments: the container's directory, then the command that is watched over. */
export const SUPERVISOR_SCRIPT = `#!/bin/sh
dir=$1
shift
${START_TIME}
started "$$"
export PODIUM_SUPERVISOR="$$ $start"
echo "$PODIUM_SUPERVISOR" >"$dir/supervisor"
if [ -p "$dir/stdin" ]; then
  # Open for the program too, which would wait for ever where the keeper has died before it began.
  exec 8<>"$dir/stdin"
  (exec >/dev/null 2>&1; read -r _ <"$dir/stdin-end") &
  "$@" <"$dir/stdin" 8>&- 3>>"$dir/complaint" 4>"$dir/progress" &
else
  "$@" 3>>"$dir/complaint" 4>"$dir/progress" &
fi
child=$!
exec >/dev/null 2>&1 8>&-
# Room for its end, which the disk may not have any more then.
echo '   ' >"$dir/exit.tmp"
wait "$child"
echo "$?" 1<>"$dir/exit.tmp"
mv -f "$dir/exit.tmp" "$dir/exit"
`;

/** Arguments: the command of the container's first process. Starts nothing else, see above. */
export const REAPER_SCRIPT = `#!/bin/sh
# What is put into the background would read nothing.
exec 7<&0
"$@" <&7 7<&- &
child=$!
exec </dev/null >/dev/null 2>&1 3>&- 4>&- 7<&-
wait "$child"
exit "$?"
`;
