/**
 * Takes away what a node of a container runtime has put into the machine's own network: its tables of nftables, and the
 * addresses and the route of services, unless the table of another node there speaks of them too.
 */
import { spawnSync } from 'node:child_process';
import { findTool } from './isolation.ts';

/** As the node's agent writes it down. */
export interface MachineNetworkParts {
  readonly tables: readonly string[];
  readonly addresses: readonly string[];
  readonly serviceCidr: string;
}

const TOOL_MS = 5_000;
/** Of the nodes of all clusters of this machine. */
const TABLE = /^table ip (podium-\S+)$/gm;

/** Whatever of it is there or not. */
export function removeFromMachine({ tables, addresses, serviceCidr }: MachineNetworkParts): void {
  for (const table of tables) run('nft', ['-f', '-'], `add table ip ${table}\ndelete table ip ${table}\n`);
  const others = [...run('nft', ['list', 'tables', 'ip']).matchAll(TABLE)].map(([, name = '']) => run('nft', ['list', 'table', 'ip', name])).join('\n');
  for (const address of addresses) if (!others.includes(`${address} `)) run('ip', ['addr', 'del', `${address}/32`, 'dev', 'lo']);
  if (others.includes(`${serviceCidr} `)) return;
  run('ip', ['route', 'del', serviceCidr, 'dev', 'lo']);
  run('ip', ['route', 'del', 'local', serviceCidr, 'dev', 'lo']);
}

/** What it prints; a tool that is missing, or fails, has nothing to remove. */
function run(name: string, args: readonly string[], input = ''): string {
  const tool = findTool(name);
  return tool === undefined ? '' : (spawnSync(tool, args, { input, encoding: 'utf8', timeout: TOOL_MS }).stdout ?? '');
}
