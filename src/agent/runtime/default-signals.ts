/**
 * What a shell starts in the background has SIGINT and SIGQUIT ignored, so that Ctrl-C in its terminal and a stop by either
 * mean nothing to it. Nobody but `env` gives them back.
 */
import { spawnSync } from 'node:child_process';

/** Of GNU's env, since 8.31. */
const FLAGS = ['--default-signal=INT,QUIT'];
let isKnown: boolean | undefined;

/** For `env`; none: the one of this machine cannot. */
export function defaultSignalFlags(): readonly string[] {
  isKnown ??= spawnSync('env', [...FLAGS, 'true'], { stdio: 'ignore' }).status === 0;
  return isKnown ? FLAGS : [];
}
