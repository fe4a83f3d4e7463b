/** What the pod says and what its image says, together. */
import { describe, expect, test } from 'vitest';
import { EMPTY_RUN_CONFIG, type ImageRunConfig } from '../../../../../src/image/core/image-config.ts';
import { planRun, type RunInput } from '../../../../../src/agent/runtime/linux/core/container-run.ts';
import { stopSignalOf } from '../../../../../src/agent/runtime/linux/core/stop-signal.ts';

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\n# no line\napp:x:1001:1002:,,,:/home/app:/bin/sh\nodd:x:4294967295:1:::\n77:x:5:5::/five:\nshort:x:3:4\n',
  group: 'root:x:0:\napp:x:1002:\nextra:x:1003:x,app\nmore:x:1004:app\nbad:x:-1:app\n',
};

const planned = (config: Partial<RunInput['config']> = {}, image: Partial<ImageRunConfig> = {}) =>
  planRun({
    config: { command: [], env: {}, workingDir: '', mounts: [], ...config },
    image: { ...EMPTY_RUN_CONFIG, cmd: ['sleep', '1'], ...image },
    accounts,
    hostname: 'pod-a',
  });
const run = (...input: Parameters<typeof planned>) => {
  const result = planned(...input);
  if (!result.ok) throw new Error(result.message);
  return result.value;
};

describe('planRun()', () => {
  // https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
  test.each([
    [[], [], ['ep', 'e'], ['cmd'], ['ep', 'e', 'cmd']],
    [['c'], [], ['ep'], ['cmd'], ['c']],
    [[], ['a'], ['ep'], ['cmd'], ['ep', 'a']],
    [['c'], ['a'], ['ep'], ['cmd'], ['c', 'a']],
    [[], [], [], ['cmd'], ['cmd']],
    [[], ['a'], [], ['cmd'], ['a']],
  ])('command %j and args %j, entrypoint %j and cmd %j: %j', (command, args, entrypoint, cmd, wanted) => {
    expect(run({ command, args }, { entrypoint, cmd }).command).toEqual(wanted);
  });

  test('refuses to run nothing', () => {
    expect(planned({}, { cmd: [] })).toEqual({ ok: false, message: 'no command specified' });
  });

  test("puts the image's variables below the pod's, and what every program expects below both", () => {
    const image = { env: ['A=1', 'B=x=y', 'C', 'HOSTNAME=image', 'A=2'] };
    expect(run({ env: { B: 'pod' } }, image).env).toEqual({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', HOSTNAME: 'image', A: '2', B: 'pod', C: '',
    });
    expect(run({}, { env: ['PATH=/app'] }).env['PATH']).toBe('/app');
  });

  test.each([
    ['', {}, [0, 0, [], '/root']],
    ['app', {}, [1001, 1002, [1003, 1004], '/home/app']],
    ['1001', {}, [1001, 1002, [1003, 1004], '/home/app']],
    ['app:extra', {}, [1001, 1003, [1003, 1004], '/home/app']],
    ['1234', {}, [1234, 0, [], '/']],
    ['1234:55', {}, [1234, 55, [], '/']],
    // A number is a user's, whatever names there are.
    ['77', {}, [77, 0, [], '/']],
    ['short', {}, [3, 4, [], '/']],
    ['app', { user: 9, supplementalGroups: [8] }, [9, 0, [8], '/']],
    ['nobody:nothing', { user: 1001 }, [1001, 1002, [1003, 1004], '/home/app']],
    ['app', { group: 6 }, [1001, 6, [1003, 1004], '/home/app']],
    ['app', { supplementalGroups: [1003, 2], supplementalGroupsPolicy: 'Merge' }, [1001, 1002, [2, 1003, 1004], '/home/app']],
    ['app', { supplementalGroups: [2], supplementalGroupsPolicy: 'Strict' }, [1001, 1002, [2], '/home/app']],
  ] as const)('the user %j of an image with %j', (user, security, [uid, gid, groups, home]) => {
    const found = run({ security }, { user });
    expect([found.user, found.group, found.supplementalGroups, found.env['HOME']]).toEqual([uid, gid, groups, home]);
  });

  test('says which user or group the image does not know', () => {
    expect(planned({}, { user: 'nobody' })).toEqual({ ok: false, message: 'unable to find user nobody: no matching entries in passwd file' });
    expect(planned({}, { user: 'odd' }).ok).toBe(false);
    expect(planned({}, { user: '4294967295' }).ok).toBe(false);
    expect(planned({}, { user: 'app:none' })).toEqual({ ok: false, message: 'unable to find group none: no matching entries in group file' });
  });

  test("its directory is the pod's, or the image's, and below the root in any case", () => {
    expect([run().workingDir, run({}, { workingDir: '/srv/' }).workingDir, run({ workingDir: '/a/../../b' }, { workingDir: '/srv' }).workingDir]).toEqual(['/', '/srv', '/b']);
  });

  test("its volumes are the image's, but where the pod mounts something", () => {
    const mounts = [{ containerPath: '/data/', hostPath: '/x', readOnly: false }];
    expect(run({ mounts }, { volumes: ['/cache/../cache/a', '/data', '/'] }).volumes).toEqual(['/cache/a']);
  });
});

test.each([
  ['', 15], ['SIGTERM', 15], ['TERM', 15], ['sigquit', 3], ['9', 9], ['SIGUSR1', 10], ['SIGWINCH', 28], ['SIGRTMIN', 34], ['SIGRTMIN+3', 37], ['RTMAX-14', 50],
  ['SIGRTMIN+31', 15], ['SIGNONSENSE', 15], ['0', 15], ['65', 15], ['-9', 15],
])('stopSignalOf(%j) is %d', (text, wanted) => {
  expect(stopSignalOf(text)).toBe(wanted);
});
