/** Whether the service proxy of nftables can do its work in a network namespace: asked by doing it once. */
import { describeRefusal } from '../core/nft-output.ts';
import type { RunTool } from './tool.ts';

const TABLE = 'podium-probe';
const SCRIPT = `add table ip ${TABLE}
add map ip ${TABLE} places { type ipv4_addr . inet_proto . inet_service : verdict; }
add chain ip ${TABLE} place
add chain ip ${TABLE} prerouting { type nat hook prerouting priority -100; }
add rule ip ${TABLE} place meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }
add rule ip ${TABLE} prerouting fib daddr type local ip daddr . meta l4proto . th dport vmap @places
add rule ip ${TABLE} prerouting reject with icmp port-unreachable
delete table ip ${TABLE}
`;

/** undefined: it can. */
export async function missingForNftables(run: RunTool): Promise<string | undefined> {
  const { code, stderr } = await run(['nft', '-f', '-'], SCRIPT);
  return code === 0 ? undefined : `nftables: ${describeRefusal(stderr, SCRIPT)}`;
}

/** Without it UDP to an endpoint that is gone is lost until its sender pauses; all else works. */
export async function missingForConntrack(run: RunTool): Promise<string | undefined> {
  const { code, stderr } = await run(['conntrack', '-L', '-p', 'udp']);
  return code === 0 ? undefined : `conntrack: ${stderr.trim()}`;
}
