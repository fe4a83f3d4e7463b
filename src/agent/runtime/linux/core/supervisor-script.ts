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
 *
 * What the program writes goes through a pipe, DIR/output, which the supervisor copies to its own standard output, the log. A
 * program that opens /dev/stdout anew, as many do, would otherwise write over the beginning of its log, or empty it; whoever
 * may write to a FIFO is a matter of its mode, so that any user of the container can. A copier that cannot write (the disk is
 * full) loses what it has read, and is followed by another: the program goes on. It ends when nobody has the pipe any more,
 * and only then is the end written down: a log is whole when its container has ended. Where others outlive the program
 * (containers that share their processes) that is waited for no longer than a second.
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
mkfifo -m 666 "$dir/output" 2>>"$dir/complaint" || exit 1
exec 6<>"$dir/output" 8>"$dir/output" 9<"$dir/output" 6>&-
if [ -p "$dir/stdin" ]; then
  # Open for the program too, which would wait for ever where the keeper has died before it began.
  exec 7<>"$dir/stdin"
  (exec >/dev/null 2>&1 8>&- 9<&-; read -r _ <"$dir/stdin-end") &
  "$@" <"$dir/stdin" 7>&- 3>>"$dir/complaint" 4>"$dir/progress" >&8 2>&8 8>&- 9<&- &
else
  "$@" 3>>"$dir/complaint" 4>"$dir/progress" >&8 2>&8 8>&- 9<&- &
fi
child=$!
exec 2>/dev/null 7>&- 8>&-
# Room for its end, which the disk may not have any more then.
echo '   ' >"$dir/exit.tmp"
copy() { until cat <&9; do sleep 1; done; }
if [ "$LOG_OUTLIVES" = 1 ]; then
  copy &
  copier=$!
  wait "$child"
  code=$?
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$copier" || break
    sleep 0.05
  done
else
  copy
  wait "$child"
  code=$?
fi
exec >/dev/null
echo "$code" 1<>"$dir/exit.tmp"
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
