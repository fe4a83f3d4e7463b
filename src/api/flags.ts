/**
 * The flags of an API server that is started by hand: kube-apiserver's names where there is such a flag. All problems are
 * told at once, each with what to write instead.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseArgs } from 'node:util';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { checkIPv4 } from '../kube/names.ts';
import type { ServerAddress } from './core/kubernetes-service.ts';
import type { TlsFiles } from '../base/pki.ts';
import { DEFAULT_API_SERVER_CONFIG, type ApiServerConfig } from './server.ts';

export interface ApiServerSettings {
  readonly name: string;
  readonly store: { readonly addresses: readonly string[]; readonly tls: TlsFiles | undefined };
  /** What the server shows node agents of itself. */
  readonly nodeTls: TlsFiles | undefined;
  /** undefined: no gRPC is served. */
  readonly grpc: { readonly address: string; readonly tls: TlsFiles | undefined } | undefined;
  readonly rest: { readonly address: string; readonly tls: Omit<TlsFiles, 'caFile'>; readonly clientCaFile: string };
  readonly access: {
    readonly tokenFile: string | undefined;
    readonly serviceAccounts:
      | {
          readonly issuer: string;
          readonly audiences: readonly string[];
          readonly keyFiles: readonly string[];
          readonly signingKeyFile: string | undefined;
        }
      | undefined;
  };
  readonly config: Partial<ApiServerConfig>;
  readonly auditLogPath: string | undefined;
  readonly shutdownDelayMs: number;
  /** Where clients in the cluster find it; undefined: they do not. */
  readonly advertised: ServerAddress | undefined;
}

export const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

interface Flag {
  readonly value: string;
  readonly help: string;
  readonly fallback?: string;
  readonly isList?: true;
}

const FLAGS: Readonly<Record<string, Flag>> = {
  'etcd-servers': { value: 'urls', help: 'the store: http(s)://host:port of its members, parted by commas (required)' },
  'etcd-cafile': { value: 'file', help: "the authority of the store's certificates" },
  'etcd-certfile': { value: 'file', help: 'the certificate that the store is shown' },
  'etcd-keyfile': { value: 'file', help: 'its key' },
  'bind-address': { value: 'ip', help: 'where to listen', fallback: '127.0.0.1' },
  'advertise-address': { value: 'ip', help: 'the endpoint of the Service kubernetes, IPv4; by default where it listens, and of all addresses the first of the machine' },
  'secure-port': { value: 'port', help: 'the Kubernetes REST API', fallback: '6443' },
  'grpc-port': { value: 'port', help: 'podium.api.v1 for the parts of a cluster; 0: not served', fallback: '6444' },
  'tls-cert-file': { value: 'file', help: 'the certificate of both ports (required)' },
  'tls-private-key-file': { value: 'file', help: 'its key (required)' },
  'client-ca-file': { value: 'file', help: 'the authority of client certificates (required)' },
  'token-auth-file': { value: 'file', help: 'static tokens: lines of token,user,uid,"group1,group2"' },
  'service-account-key-file': { value: 'file', help: 'PEM to verify tokens of service accounts with; may be given several times', isList: true },
  'service-account-signing-key-file': { value: 'file', help: 'PEM to sign them with; without it none is issued' },
  'service-account-issuer': { value: 'url', help: 'who issues them', fallback: DEFAULT_ISSUER },
  'api-audiences': { value: 'names', help: 'what tokens must be for, parted by commas; by default the issuer' },
  'service-cluster-ip-range': { value: 'cidr', help: 'addresses of Services', fallback: DEFAULT_API_SERVER_CONFIG.serviceCidr },
  'service-node-port-range': { value: 'from-to', help: 'node ports of Services', fallback: '30000-32767' },
  'default-unreachable-toleration-seconds': {
    value: 'seconds',
    help: 'how long pods stay on a node that is not reached',
    fallback: String(DEFAULT_API_SERVER_CONFIG.evictionTolerationSeconds),
  },
  'kubelet-certificate-authority': { value: 'file', help: 'the authority of node agents; by default that of client certificates' },
  'kubelet-client-certificate': { value: 'file', help: "what node agents are shown; by default the server's own" },
  'kubelet-client-key': { value: 'file', help: 'its key' },
  'audit-log-path': { value: 'file', help: 'a line of JSON a request, appended; by default none' },
  'shutdown-delay-duration': { value: 'seconds', help: 'how long /readyz fails before the server stops', fallback: '0' },
  name: { value: 'name', help: 'of this server in its log', fallback: 'apiserver' },
};

export function apiServerHelp(): string {
  const rows = Object.entries(FLAGS).map(([name, { value, help, fallback }]) => {
    const left = `--${name} <${value}>`;
    return `  ${left.padEnd(44)} ${help}${fallback === undefined ? '' : ` (default ${fallback})`}`;
  });
  return `An API server: the Kubernetes REST API and podium.api.v1 over gRPC, on a store that speaks etcd v3. It keeps nothing of its
own: any number of them may run on one store.

Usage: podium apiserver --etcd-servers <urls> --tls-cert-file <file> … | --config FILE

  ${'--config <file>'.padEnd(44)} what \`podium up\` writes to <data-dir>/parts/, in place of all flags
${rows.join('\n')}

Example, a second API server beside a running cluster (\`podium up\`):
  pki=.podium/pki
  podium apiserver --etcd-servers https://127.0.0.1:2379,https://127.0.0.1:12379,https://127.0.0.1:22379 \\
    --etcd-cafile $pki/ca.crt --etcd-certfile $pki/apiserver.crt --etcd-keyfile $pki/apiserver.key \\
    --tls-cert-file $pki/apiserver.crt --tls-private-key-file $pki/apiserver.key --client-ca-file $pki/ca.crt \\
    --token-auth-file $pki/tokens.csv --service-account-signing-key-file $pki/service-accounts.key \\
    --secure-port 7443 --grpc-port 7444
`;
}

type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

export function parseApiServerFlags(argv: readonly string[]): ApiServerSettings {
  const reader = new Reader(valuesOf(argv));
  const cert = reader.file('tls-cert-file', 'required');
  const key = reader.file('tls-private-key-file', 'required');
  const clientCa = reader.file('client-ca-file', 'required');
  const own: TlsFiles = { caFile: clientCa ?? '', certFile: cert ?? '', keyFile: key ?? '' };
  const address = reader.text('bind-address') ?? '';
  const grpcPort = reader.number('grpc-port', { min: 0, max: 65_535 });
  const store = reader.store();
  const restPort = reader.number('secure-port', { min: 1, max: 65_535 });
  const signingKeyFile = reader.file('service-account-signing-key-file');
  const keyFiles = reader.files('service-account-key-file');
  const hasAccounts = signingKeyFile !== undefined || keyFiles.length > 0;
  const settings: ApiServerSettings = {
    name: reader.text('name') ?? 'apiserver',
    store,
    nodeTls: {
      caFile: reader.file('kubelet-certificate-authority') ?? own.caFile,
      certFile: reader.file('kubelet-client-certificate') ?? own.certFile,
      keyFile: reader.file('kubelet-client-key') ?? own.keyFile,
    },
    grpc: grpcPort === 0 ? undefined : { address: at(address, grpcPort), tls: own },
    rest: { address: at(address, restPort), tls: own, clientCaFile: own.caFile },
    access: {
      tokenFile: reader.file('token-auth-file'),
      serviceAccounts: hasAccounts
        ? { issuer: reader.text('service-account-issuer') ?? DEFAULT_ISSUER, audiences: list(reader.text('api-audiences')), keyFiles, signingKeyFile }
        : undefined,
    },
    config: {
      serviceCidr: reader.text('service-cluster-ip-range') ?? DEFAULT_API_SERVER_CONFIG.serviceCidr,
      nodePortRange: reader.portRange('service-node-port-range'),
      evictionTolerationSeconds: reader.number('default-unreachable-toleration-seconds', { min: 0, max: 1e6 }),
    },
    auditLogPath: reader.text('audit-log-path'),
    shutdownDelayMs: reader.number('shutdown-delay-duration', { min: 0, max: 3_600 }) * 1000,
    advertised: advertisedOf(reader.address('advertise-address') ?? address, restPort),
  };
  reader.finish();
  return settings;
}

function valuesOf(argv: readonly string[]): Values {
  const options = Object.fromEntries(Object.entries(FLAGS).map(([name, { isList }]) => [name, { type: 'string' as const, multiple: isList === true }]));
  try {
    return parseArgs({ args: [...argv], options }).values as Values; // every option is a string, or a list of them
  } catch (cause) {
    const flag = argv.map((arg) => /^--([^=]+)/.exec(arg)?.[1]).find((name) => name !== undefined && !(name in FLAGS));
    const meant = flag === undefined ? undefined : nearest(flag, Object.keys(FLAGS));
    const hint = meant === undefined ? 'see podium apiserver --help' : `did you mean --${meant}?`;
    const what = flag === undefined ? (cause instanceof Error ? cause.message : String(cause)) : `there is no flag --${flag}`;
    throw new UserError(`podium apiserver: ${what}: ${hint}`);
  }
}

class Reader {
  readonly #values: Values;
  readonly #problems: string[] = [];

  constructor(values: Values) {
    this.#values = values;
  }

  finish(): void {
    if (this.#problems.length > 0) throw new UserError(this.#problems.map((problem) => `podium apiserver: ${problem}`).join('\n'));
  }

  text(flag: string): string | undefined {
    const value = this.#values[flag];
    return typeof value === 'string' ? value : FLAGS[flag]?.fallback;
  }

  file(flag: string, need?: 'required'): string | undefined {
    const path = this.text(flag);
    if (path === undefined) {
      if (need !== undefined) this.#problems.push(`--${flag} is required: ${FLAGS[flag]!.help.replace(' (required)', '')}`);
      return undefined;
    }
    this.#checkReadable(flag, path);
    return path;
  }

  address(flag: string): string | undefined {
    const text = this.text(flag);
    for (const message of text === undefined ? [] : checkIPv4(text)) this.#problems.push(`--${flag} ${text}: ${message}`);
    return text;
  }

  files(flag: string): readonly string[] {
    const value = this.#values[flag];
    const paths = typeof value === 'object' ? value : [];
    for (const path of paths) this.#checkReadable(flag, path);
    return paths;
  }

  number(flag: string, { min, max }: { readonly min: number; readonly max: number }): number {
    const text = this.text(flag) ?? '';
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    this.#problems.push(`--${flag} ${text}: must be a whole number from ${min} to ${max}`);
    return min;
  }

  portRange(flag: string): { readonly from: number; readonly to: number } {
    const text = this.text(flag) ?? '';
    const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
    const range = { from: Number(from), to: Number(to) };
    if (range.from >= 1 && range.from <= range.to && range.to <= 65_535) return range;
    this.#problems.push(`--${flag} ${text}: must be two ports such as 30000-32767`);
    return DEFAULT_API_SERVER_CONFIG.nodePortRange;
  }

  store(): ApiServerSettings['store'] {
    const urls = list(this.text('etcd-servers'));
    if (urls.length === 0) this.#problems.push(`--etcd-servers is required: ${FLAGS['etcd-servers']!.help.replace(' (required)', '')}`);
    const matches = urls.map((url) => ({ url, match: /^(https?):\/\/([^/:]+:\d+|\[[^\]]+\]:\d+)\/?$/.exec(url) }));
    for (const { url, match } of matches) if (match === null) this.#problems.push(`--etcd-servers ${url}: must be such as https://127.0.0.1:2379`);
    const schemes = new Set(matches.map(({ match }) => match?.[1]));
    if (schemes.size > 1) this.#problems.push('--etcd-servers: must be all http or all https');
    const addresses = matches.map(({ match }) => match?.[2] ?? '');
    if (!schemes.has('https')) return { addresses, tls: undefined };
    const [caFile, certFile, keyFile] = [this.file('etcd-cafile', 'required'), this.file('etcd-certfile', 'required'), this.file('etcd-keyfile', 'required')];
    return { addresses, tls: { caFile: caFile ?? '', certFile: certFile ?? '', keyFile: keyFile ?? '' } };
  }

  #checkReadable(flag: string, path: string): void {
    try {
      readFileSync(path);
    } catch (error) {
      this.#problems.push(`--${flag} ${path}: cannot be read (${systemErrorCode(error) ?? String(error)})`);
    }
  }
}

/** Who listens on all addresses is found by one of them. Services know IPv4 alone. */
function advertisedOf(address: string, port: number): ServerAddress | undefined {
  if (checkIPv4(address).length > 0) return undefined;
  if (address !== '0.0.0.0') return { address, port };
  const outside = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).find(({ family, internal }) => family === 'IPv4' && !internal);
  return { address: outside?.address ?? '127.0.0.1', port };
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').map((item) => item.trim()).filter((item) => item !== '');
}

function at(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
