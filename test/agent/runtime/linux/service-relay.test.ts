/** Which of a node's proxies listens where. */
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { ProxyRule } from '../../../../src/agent/core/proxy-rules.ts';
import { UserspaceProxy, type Listen } from '../../../../src/agent/proxy.ts';
import { ServiceRelay } from '../../../../src/agent/runtime/linux/service-relay.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';

const rule = (address: string, port: number): ProxyRule => ({ key: `${address}:${port}`, protocol: 'tcp', address, port, service: 'ns/x:y', targets: [] });

/** Says where it is asked to listen, and listens elsewhere. */
function recording(): { readonly proxy: UserspaceProxy; readonly asked: string[] } {
  const asked: string[] = [];
  const listen: Listen = ({ host, port }) => {
    asked.push(`${host}:${port}`);
    const server = createServer();
    return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
  };
  const proxy = new UserspaceProxy({ clock: systemClock, log: silentLog, listen });
  onTestFinished(() => proxy.close());
  return { proxy, asked };
}

test('NodePorts are outside, the rest inside where nobody else proxies; what the node itself listens at is no proxy’s', () => {
  const [outside, inside] = [recording(), recording()];
  const relay = new ServiceRelay({ outside: outside.proxy, inside: inside.proxy, address: '127.0.0.1', ownAddresses: ['10.96.0.10'] });
  const rules = [rule('127.0.0.1', 30_080), rule('10.96.0.9', 80), rule('10.96.0.10', 53)];
  relay.apply(rules);
  expect([outside.asked, inside.asked]).toEqual([['127.0.0.1:30080'], []]);
  relay.serveInside(true);
  expect(inside.asked).toEqual(['10.96.0.9:80']);
  // In another network all begins anew.
  relay.serveInside(true);
  expect([outside.asked, inside.asked]).toEqual([['127.0.0.1:30080'], ['10.96.0.9:80', '10.96.0.9:80']]);
  relay.serveInside(false);
  relay.apply(rules);
  expect(inside.asked).toHaveLength(2);
});
