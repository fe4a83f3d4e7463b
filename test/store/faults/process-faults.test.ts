import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { parseStoreFlags } from '../../../src/store/flags.ts';
import { openProcessFaults, type ProcessFaults } from '../../../src/store/faults/process-faults.ts';
import { freePorts } from '../../processes.ts';

let opened: ProcessFaults | undefined;
afterEach(() => opened?.close());

async function open(armed?: string): Promise<(method: string, path: string, body?: string) => Promise<string>> {
  const [port = 0] = await freePorts(1);
  opened = await openProcessFaults({ host: '127.0.0.1', port }, armed);
  return async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body === undefined ? {} : { body }) });
    return `${response.status} ${await response.text()}`.trim();
  };
}

test('faults are armed, listed, counted and disarmed over HTTP', async () => {
  const ask = await open('beforeCommit=1*sleep(1)');
  expect(await ask('GET', '/')).toContain('\nbeforeCommit=1*sleep(1)\n');
  expect(await ask('PUT', '/raftBeforeSave', '2*sleep(1)')).toBe('204');
  await opened!.hooks.at('raftBeforeSave');
  expect(await ask('GET', '/raftBeforeSave')).toBe('200 1*sleep(1)');
  expect(await ask('GET', '/raftBeforeSave/count')).toBe('200 1');
  expect(await ask('DELETE', '/raftBeforeSave')).toBe('204');
  expect(await ask('GET', '/raftBeforeSave')).toBe('200');
});

test('what cannot be armed is refused with the reason', async () => {
  const ask = await open();
  expect(await ask('PUT', '/raftBeforeSav', 'panic')).toBe('400 there is no point "raftBeforeSav": did you mean raftBeforeSave? GET / lists them');
  expect(await ask('PUT', '/raftBeforeSave', 'boom')).toMatch(/^400 raftBeforeSave: "boom" is no term: write panic/);
  expect(await ask('PUT', '/raftBeforeSave', 'x'.repeat(5000))).toMatch(/^400 a term has at most/);
  expect(await ask('POST', '/raftBeforeSave', 'panic')).toMatch(/^405/);
  await expect(openProcessFaults(undefined, 'nowhere=panic')).rejects.toThrow('PODIUM_FAULTS: there is no point "nowhere"');
});

test('an address that is taken is named', async () => {
  const [port = 0] = await freePorts(1);
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await expect(openProcessFaults({ host: '127.0.0.1', port })).rejects.toThrow(`--experimental-fault-hooks: 127.0.0.1:${port} cannot be listened on`);
  await new Promise((resolve) => server.close(resolve));
});

test('--experimental-fault-hooks is off, takes what the environment says, or an address of this machine', () => {
  const hooks = (...args: string[]) => parseStoreFlags(args).faultHooks;
  expect(hooks()).toBeUndefined();
  expect(hooks('--experimental-fault-hooks=env')).toEqual({ address: undefined });
  expect(hooks('--experimental-fault-hooks=127.0.0.1:22381')).toEqual({ address: { host: '127.0.0.1', port: 22381 } });
  expect(hooks('--experimental-fault-hooks', '[::1]:22381')).toEqual({ address: { host: '::1', port: 22381 } });
  for (const wrong of ['0.0.0.0:22381', '10.0.0.1:22381', ':22381', '127.0.0.1', '127.0.0.1:70000', 'true'])
    expect(() => hooks(`--experimental-fault-hooks=${wrong}`)).toThrow('write "env", or a loopback address with its port');
});
