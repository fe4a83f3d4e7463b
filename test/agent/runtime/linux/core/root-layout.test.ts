import { expect, test } from 'vitest';
import { planRoot, relative, type HostFacts, type RootInput } from '../../../../../src/agent/runtime/linux/core/root-layout.ts';

const facts: HostFacts = {
  programs: [{ name: 'usr' }, { name: 'bin', link: 'usr/bin' }],
  etc: [{ path: 'ssl/certs', kind: 'directory' }, { path: 'ld.so.cache', kind: 'file' }],
  procReadOnly: ['sys'],
  sysHidden: ['firmware'],
  procHidden: [{ path: 'kcore', kind: 'file' }, { path: 'acpi', kind: 'directory' }],
};
const input: RootInput = {
  facts,
  podFiles: { hosts: '/pod/hosts', resolvConf: '/pod/resolv.conf', hostname: '/pod/hostname' },
  mounts: [],
  workingDir: '',
  privileged: false,
  sharedMemory: '/memory/.shm/u',
  inUserNamespace: false,
};
const plan = (extra: Partial<RootInput> = {}) => {
  const planned = planRoot({ ...input, ...extra });
  if (!planned.ok) throw new Error(planned.message);
  return planned.value;
};
const volume = (containerPath: string, hostPath = '/volumes/v') => ({ containerPath, hostPath, readOnly: false, kind: 'directory' as const });

test('planRoot() has places for all that it mounts, parents first, and nothing twice', () => {
  const { entries, mounts } = plan({ mounts: [volume('/data/deep'), volume('/data/deep/inner')], workingDir: '/work' });
  const paths = entries.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  for (const [index, path] of paths.entries()) {
    const parent = path.split('/').slice(0, -1).join('/');
    if (parent !== '') expect(paths.slice(0, index), path).toContain(parent);
  }
  const places = mounts.map(({ target }) => target.slice(1)).filter((target) => !/^(proc|sys)\//.test(target) && target !== 'data/deep/inner');
  expect(paths).toEqual(expect.arrayContaining(places));
  expect(paths).toContain('work');
});

test('planRoot() shows nothing of the machine but its programs and the short list of /etc', () => {
  const sources = plan().mounts.filter(({ type }) => type === 'bind').map(({ source }) => source);
  const isKnown = (source: string) => /^\/(usr|etc\/ssl\/certs|etc\/ld\.so\.cache|pod\/.*|memory\/.shm\/u|dev\/(null|zero|full|random|urandom|tty)|proc\/sys)$/.test(source);
  expect(sources.filter((source) => !isKnown(source))).toEqual([]);
});

test('planRoot() binds the programs read-only, and hides what /proc tells of the machine unless the pod is privileged', () => {
  const usr = plan().mounts.find(({ target }) => target === '/usr');
  expect(usr?.options).toEqual(['bind', 'ro', 'nosuid']);
  const below = (mounts: ReturnType<typeof plan>['mounts']) => mounts.filter(({ target }) => target.startsWith('/proc/')).map(({ type, source, target }) => `${type} ${source} ${target}`);
  expect(below(plan().mounts)).toEqual(['bind /proc/sys /proc/sys', 'bind /dev/null /proc/kcore', 'tmpfs tmpfs /proc/acpi']);
  expect(below(plan({ privileged: true }).mounts)).toEqual([]);
});

test('planRoot() binds the devices of the machine beside its own, once each', () => {
  const { mounts, entries } = plan({ privileged: true, devices: ['kmsg', 'net/tun', 'null'] });
  const devices = mounts.filter(({ source }) => source.startsWith('/dev/')).map(({ source }) => source);
  expect(devices).toEqual(['null', 'zero', 'full', 'random', 'urandom', 'tty', 'kmsg', 'net/tun'].map((name) => `/dev/${name}`));
  expect(entries).toContainEqual({ kind: 'directory', path: 'dev/net', mode: 0o755 });
  expect(mounts.find(({ target }) => target === '/dev/kmsg')?.options).not.toContain('nodev');
});

test('planRoot() lets a volume take the place of what it would put there', () => {
  const { mounts } = plan({ mounts: [volume('/dev/shm'), { ...volume('/etc/hosts', '/own'), kind: 'file' }] });
  expect(mounts.filter(({ target }) => target === '/dev/shm').map(({ source }) => source)).toEqual(['/volumes/v']);
  expect(mounts.filter(({ target }) => target === '/etc/hosts').map(({ source }) => source)).toEqual(['/own']);
});

test.each(['/', '/proc/x', '/sys', '/usr/local', '/bin', '/x/../usr/lib', '/..'])('planRoot() refuses a volume at %s', (path) => {
  expect(planRoot({ ...input, mounts: [volume(path)] }).ok).toBe(false);
});

test('relative() does not lead out', () => {
  expect(['/a//b/', 'a/./b', '../../x', '/a/../../b', '/'].map(relative)).toEqual(['a/b', 'a/b', 'x', 'b', '']);
});
