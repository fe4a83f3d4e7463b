/** Addresses, who reaches whom, and what happens to the network of a node. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { equal, ok } from 'node:assert/strict';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { OUTER_PORT, server, type Case } from './conformance.ts';

export const NETWORK_CASES: readonly Case[] = [
  {
    name: 'no address comes back before the range wraps, nor after a restart of the agent',
    needs: ['own-network'],
    run: async (world) => {
      const podCidr = world.subject.name === 'process' ? '127.251.7.0/29' : '10.244.7.0/29';
      await world.reopen({ podCidr, node: 'small' });
      const seen: string[] = [];
      const add = async (i: number) => seen.push(await world.pod(`pod-${i}`));
      for (let i = 0; i < 3; i++) {
        await add(i);
        await world.runtime.removePodSandbox(`pod-${i}`);
      }
      await world.reopen({ podCidr, node: 'small' });
      for (let i = 3; i < 5; i++) await add(i);
      equal(new Set(seen).size, 5, `five addresses: ${seen.join(' ')}`);
      for (let i = 5; i < 8; i++) {
        await add(i);
        await world.runtime.removePodSandbox(`pod-${i}`);
      }
      ok(new Set(seen).size < 8, 'and then they come again');
      for (const { id } of await world.runtime.listPodSandboxes()) await world.runtime.removePodSandbox(id);
      await world.reopen();
    },
  },
  {
    name: 'two pods listen on one port and are reached by their addresses',
    needs: [],
    run: async (world) => {
      for (const uid of ['pod-a', 'pod-b']) await world.run('', { uid, command: server(18_080) });
      for (const { ip, name } of await world.runtime.listPodSandboxes()) equal(await world.ask(ip, 18_080), name);
    },
  },
  {
    name: 'containers of a pod meet on localhost, those of another pod do not',
    needs: ['isolation'],
    run: async (world) => {
      await world.run('', { command: server(18_081) });
      const client = `node -e "require('net').connect(18081,'127.0.0.1').on('data',(d)=>console.log(String(d))).on('error',(e)=>console.log(e.code))"`;
      equal(await world.output(`until [ "$(${client})" = pod-a ]; do sleep 0.05; done`, { name: 'beside' }), '');
      equal(await world.output(client, { uid: 'pod-b' }), 'ECONNREFUSED\n');
    },
  },
  {
    name: 'portForward() reaches a port of the pod, and says where nobody listens',
    needs: [],
    run: async (world) => {
      const echo = ['node', '-e', "require('net').createServer({allowHalfOpen:true},(s)=>{let n=0;s.on('data',(d)=>n+=d.length).on('end',()=>s.end(process.env.HOSTNAME+' '+n))}).listen(18085,()=>console.log('up'))"];
      await world.said(await world.run('', { command: echo }), 'up');
      const port = await world.until('a port that is forwarded', () => world.runtime.portForward('pod-a', 18_085).catch(() => undefined));
      for (let part = 0; part < 40; part++) await port.write(Buffer.alloc(25_000));
      port.endInput();
      let text = '';
      for await (const bytes of port.output) text += Buffer.from(bytes).toString();
      equal(text, 'pod-a 1000000');
      port.close();
      await world.runtime.portForward('pod-a', 18_086).then(
        () => ok(false, 'nobody listens there'),
        (error: Error) => ok(error.message.includes('connection refused'), error.message),
      );
    },
  },
  {
    name: 'the inner half of the node dies, and comes back',
    needs: ['sandbox-process'],
    run: async (world) => {
      await world.run('', { command: server(18_085) });
      const [{ ip } = { ip: '' }] = await world.runtime.listPodSandboxes();
      equal(await world.ask(ip, 18_085), 'pod-a');
      killInner();
      equal(await world.ask(ip, 18_085), 'pod-a');
    },
  },
  {
    name: 'what listens on the machine is reached from the network of the node, also after its inner half came back',
    needs: ['sandbox-process'],
    run: async (world) => {
      const outside = createServer((socket) => socket.end('outside')).listen(OUTER_PORT, '127.0.0.1');
      try {
        await world.pod('pod-a', { hostNetwork: true });
        const client = `require('net').connect(${OUTER_PORT},'127.0.0.1').on('data',(d)=>process.exit(String(d)==='outside'?0:1)).on('error',()=>process.exit(1))`;
        equal(await world.output(`until node -e "${client}"; do sleep 0.05; done; echo met`), 'met\n');
        killInner();
        equal(await world.output(`until node -e "${client}"; do sleep 0.05; done; echo met`, { attempt: 1 }), 'met\n');
      } finally {
        outside.close();
      }
    },
  },
  {
    name: 'a pod on the network of its node is at the address of the node',
    needs: ['isolation'],
    run: async (world) => {
      const ip = await world.pod('pod-a', { hostNetwork: true });
      ok(ip.endsWith('.1'), ip);
      // On the network of its node it may have the name of its node, too.
      await world.run('', { command: server(18_083), env: { HOSTNAME: 'pod-a' } });
      await world.run(`until node -e "require('net').connect(18083,'${ip}').on('data',(d)=>process.exit(String(d)==='pod-a'?0:1)).on('error',()=>process.exit(1))"; do sleep 0.05; done; echo met`, { uid: 'pod-b' });
      await world.said('pod-b/main/0', 'met');
    },
  },
  {
    name: 'pods of two nodes of a machine reach each other, also after one of the nodes came back',
    needs: ['isolation', 'own-network'],
    run: async (world) => {
      const other = await world.subject.open({ node: 'node-2', podCidr: '10.244.2.0/24' });
      try {
        await world.run('', { command: server(18_084) });
        const [{ ip } = { ip: '' }] = await world.runtime.listPodSandboxes();
        await other.runtime.runPodSandbox({ uid: 'far', namespace: 'default', name: 'far', hostname: 'far', hostNetwork: false, annotations: {} });
        const script = `until node -e "require('net').connect(18084,'${ip}').on('data',(d)=>process.exit(String(d)==='pod-a'?0:1)).on('error',()=>process.exit(1))"; do sleep 0.05; done; exit 0`;
        const id = await other.runtime.createContainer('far', { name: 'main', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['sh', '-c', script], workingDir: '', env: {}, mounts: [] });
        await other.runtime.startContainer(id);
        await world.until('the pods met', async () => (await other.runtime.listContainers())[0]?.exitCode === 0 || undefined);
      } finally {
        await other.runtime.removePodSandbox('far');
        await other.runtime.close();
      }
    },
  },
];

function killInner(): void {
  const isInner = (name: string) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('inner-main.js');
  const pids = readdirSync('/proc').filter(isInner);
  equal(pids.length, 1);
  sendSignal(Number(pids[0]), 'SIGKILL');
}
