/** Commands beside a container, who is attached to it, and its log. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { signalFile, WAIT, type Case, type World } from './conformance.ts';
import type { CommandOptions, CommandStream } from '../../../src/agent/runtime/streams.ts';

const CTRL_C = 3;

const command = (world: World, id: string, script: string, options: Partial<CommandOptions> = {}) =>
  world.runtime.execStream(id, { command: ['sh', '-c', script], stdin: false, stdout: true, stderr: true, tty: false, ...options });

export async function saidBy(stream: CommandStream): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number; readonly failure?: string | undefined }> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream: name, bytes } of stream.output) texts[name] += Buffer.from(bytes).toString();
  return { ...texts, ...(await stream.ended) };
}

/** All that it says; Ctrl-C is typed at once, or when it has said `after`. */
async function interrupted(stream: CommandStream, after?: string): Promise<string> {
  const type = () => stream.write(Buffer.from([CTRL_C]));
  if (after === undefined) await type();
  let text = '';
  for await (const { bytes } of stream.output) {
    const isDue = after !== undefined && !text.includes(after);
    text += Buffer.from(bytes).toString();
    if (isDue && text.includes(after)) await type();
  }
  return text;
}

export const STREAM_CASES: readonly Case[] = [
  {
    name: 'a program that opens its standard output anew, as any user, writes on where it is',
    needs: ['isolation'],
    run: async (world) => {
      const script = 'echo one; echo two >/dev/stdout; echo three >/proc/self/fd/1; echo four >>/dev/stdout; echo five >/proc/1/fd/1; echo six >/dev/stderr; echo seven';
      const lines = (text: string) => text.trim().split('\n').sort();
      const all = ['five', 'four', 'one', 'seven', 'six', 'three', 'two'];
      deepEqual(lines(await world.output(script)), all);
      deepEqual(lines(await world.output(script, { name: 'other', security: { user: 101, group: 101 } })), all);
      // All that it has written is there when it has ended, and more than a pipe holds.
      equal((await world.output('head -c 3000000 /dev/zero | tr "\\0" x', { name: 'much' })).length, 3_000_000);
    },
  },
  {
    name: 'exec() runs beside the container, and is ended at its time',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000', { env: { COLOUR: 'red' } });
      deepEqual(await world.runtime.exec(id, ['sh', '-c', 'echo $COLOUR; exit 2'], 5_000), { exitCode: 2, output: 'red\n', timedOut: false });
      equal((await world.runtime.exec(id, ['sh', '-c', 'sleep 2222 & wait'], 300)).timedOut, true);
      if (!world.subject.lacks.has('command-trees')) await world.until('the end of what took too long', () => !world.subject.census().some((line) => line.includes('sleep 2222')) || undefined);
      ok((await world.runtime.exec(id, ['no-such-program'], 5_000)).exitCode !== 0);
    },
  },
  {
    name: 'execStream() passes on what goes in and what comes out, apart, and how it ended',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000', { env: { COLOUR: 'red' } });
      const stream = await command(world, id, 'echo $COLOUR; wc -c; echo oops >&2; exit 7', { stdin: true });
      const said = saidBy(stream);
      for (let part = 0; part < 40; part++) await stream.write(Buffer.alloc(25_000, 'x'));
      stream.endInput();
      deepEqual(await said, { stdout: 'red\n1000000\n', stderr: 'oops\n', exitCode: 7 });
      await world.runtime.stopContainer(id, 0);
      await command(world, id, 'true').then(
        () => ok(false, 'a container that does not run takes a command'),
        (error: Error) => ok(error.message.includes('is not running'), error.message),
      );
    },
  },
  {
    name: 'execStream() of a program that there is not is told once: by how it ended, or where the command would have written',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      for (const tty of [false, true]) {
        const begun = world.runtime.execStream(id, { command: ['no-such-program', 'x'], stdin: false, stdout: true, stderr: !tty, tty });
        const said = await begun.then(saidBy, ({ message }: Error) => ({ stdout: '', stderr: '', exitCode: 126, failure: message }));
        const { stdout, stderr, exitCode, failure = '' } = said;
        ok(exitCode !== 0 && `${failure}${stdout}${stderr}`.includes('no-such-program'), JSON.stringify(said));
        ok(failure === '' || `${stdout}${stderr}` === '', JSON.stringify(said));
      }
    },
  },
  {
    name: 'execStream() has a terminal, of the size that is asked for, then and later',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const first = world.subject.lacks.has('first-size') ? 'until [ "$(stty size)" = "41 101" ]; do sleep 0.02; done; stty size' : 'test -t 1 && stty size';
      const script = first + '; until [ "$(stty size)" = "33 77" ]; do sleep 0.02; done; read line; echo "has read $line"; exit 3';
      const stream = await command(world, id, script, { stdin: true, tty: true, size: { width: 101, height: 41 } });
      let text = '';
      for await (const { bytes } of stream.output) {
        text += Buffer.from(bytes).toString();
        if (text !== '41 101\r\n') continue;
        stream.resize({ width: 77, height: 33 });
        await stream.write(Buffer.from('on\r'));
      }
      equal(text, '41 101\r\non\r\nhas read on\r\n');
      equal((await stream.ended).exitCode, 3);
    },
  },
  {
    name: 'execStream() that is let go takes along all that it has started',
    needs: ['command-trees'],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const stream = await command(world, id, 'sleep 3333 & setsid sleep 3333 & echo begun; wait');
      for await (const { bytes } of stream.output) if (Buffer.from(bytes).toString().includes('begun')) break;
      stream.close();
      await world.until('the end of what it has started', () => !world.subject.census().some((line) => line.includes('sleep 3333')) || undefined);
      equal((await world.record(id)).state, 'running');
    },
  },
  {
    name: 'attachStream() shows what the container writes from then on, and ends with it',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo before; ${WAIT.replace('do', 'do echo meanwhile;')}; echo after`, { mounts: signal.mounts });
      await world.said(id, 'before');
      const stream = await world.runtime.attachStream(id, { stdin: false, stdout: true, stderr: true, tty: false });
      // By CRI nobody is told from when on that is: until it shows something, what the container writes may be missed.
      let said = '';
      for await (const { bytes } of stream.output) {
        if (said === '') signal.give();
        said += Buffer.from(bytes).toString();
      }
      ok(/^(meanwhile\n)+after\n$/.test(said), said);
    },
  },
  {
    name: 'attachStream() writes to a container that reads, and its input may end with the first who did',
    needs: [],
    run: async (world) => {
      const id = await world.run('while read line; do echo "has read $line"; done; echo end; exit 5', { stdin: true, stdinOnce: true });
      await world.reopen();
      const stream = await world.runtime.attachStream(id, { stdin: true, stdout: true, stderr: true, tty: false });
      const said = saidBy(stream);
      await stream.write(Buffer.from('one\n'));
      await world.said(id, 'has read one');
      await stream.write(Buffer.from('two\n'));
      stream.endInput();
      equal((await said).stdout, 'has read one\nhas read two\nend\n');
      equal((await world.exited(id)).exitCode, 5);
      const kept = await world.run('read line; echo "has read $line"; read line; echo "has read $line"', { stdin: true, name: 'kept' });
      for (const line of ['three', 'four']) {
        const one = await world.runtime.attachStream(kept, { stdin: true, stdout: true, stderr: true, tty: false });
        await one.write(Buffer.from(`${line}\n`));
        await world.said(kept, `has read ${line}`);
        one.close();
      }
      equal((await world.exited(kept)).exitCode, 0);
    },
  },
  {
    name: 'a container has a terminal of its own, which is typed into, and whose size is set',
    needs: [],
    run: async (world) => {
      const script = 'test -t 0 && test -t 1 && echo "$TERM"; until [ "$(stty size)" = "33 77" ]; do sleep 0.02; done; read line; echo "has read $line"; exit 3';
      const id = await world.run(script, { stdin: true, tty: true });
      const stream = await world.runtime.attachStream(id, { stdin: true, stdout: true, stderr: false, tty: true });
      const said = saidBy(stream);
      stream.resize({ width: 77, height: 33 });
      await stream.write(Buffer.from('on\r'));
      ok((await said).stdout.endsWith('has read on\r\n'));
      const { exitCode } = await world.exited(id);
      equal(exitCode, 3);
      ok(/xterm\r?\n/.test(await world.log(id)), await world.log(id));
    },
  },
  {
    name: 'a container and a command beside it are interrupted by Ctrl-C in their terminals',
    needs: ['own-terminal'],
    run: async (world) => {
      const script = 'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.02; done';
      const id = await world.run(script, { stdin: true, tty: true });
      const beside = await command(world, id, script, { stdin: true, tty: true });
      ok((await interrupted(beside, 'ready')).includes('interrupted'));
      equal((await beside.ended).exitCode, 5);
      await world.said(id, 'ready');
      const attached = await world.runtime.attachStream(id, { stdin: true, stdout: true, stderr: false, tty: true });
      ok((await interrupted(attached)).includes('interrupted'));
      equal((await world.exited(id)).exitCode, 5);
    },
  },
  {
    name: 'exec() stands in all namespaces of its container, with no more rights',
    needs: ['isolation'],
    run: async (world) => {
      const script = 'for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; grep -E "CapBnd|NoNewPrivs" /proc/self/status; id -u';
      const id = await world.run(`${script}; exec sleep 1000`, { security: { dropCapabilities: ['ALL'], addCapabilities: ['CHOWN'], noNewPrivileges: true } });
      await world.said(id, 'NoNewPrivs');
      const { output } = await world.runtime.exec(id, ['sh', '-c', script], 5_000);
      equal(output, await world.log(id));
      ok(output.includes('CapBnd:\t0000000000000001\n'), output);
    },
  },
  {
    name: 'logs() follows until the container ends',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo one; ${WAIT}; printf 'two\\nthree'`, { mounts: signal.mounts });
      const seen: string[] = [];
      for await (const chunk of world.runtime.logs(id, { follow: true, timestamps: false })) {
        seen.push(Buffer.from(chunk).toString());
        if (seen.length === 1) signal.give();
      }
      equal(seen.join(''), 'one\ntwo\nthree');
    },
  },
];
