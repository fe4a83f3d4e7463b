/**
 * A pod's /etc/resolv.conf, as a function of its dnsPolicy and dnsConfig, of the cluster's DNS and of the machine's own
 * file. With the limits of Kubernetes: what is over them is left out, and said.
 */

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** `ndots:5` */
  readonly options: readonly string[];
}

export interface PodDnsSpec {
  readonly dnsPolicy?: string;
  readonly hostNetwork?: boolean;
  readonly dnsConfig?: {
    readonly nameservers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly { readonly name?: string; readonly value?: string }[];
  };
}

export interface PodDnsInput {
  readonly namespace: string;
  readonly spec: PodDnsSpec;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Where the cluster's DNS is; empty: there is none. */
  readonly clusterDns: readonly string[];
  /** The machine's. */
  readonly host: ResolvConf;
}

export interface PodDns extends ResolvConf {
  readonly text: string;
  /** What the pod's owner should know, for events: `MissingClusterDNS`, `DNSConfigForming`. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

const NAMESERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCH_CHARACTERS_MAX = 2_048;
/** So that `web.ns` and `web.ns.svc` are looked for in the cluster first. */
const CLUSTER_OPTIONS = ['ndots:5'];

export function podDns(input: PodDnsInput): PodDns {
  const warnings: { reason: string; message: string }[] = [];
  const base = baseOf(input, warnings);
  const { nameservers = [], searches = [], options = [] } = input.spec.dnsConfig ?? {};
  const own = options.flatMap(({ name, value }) => (name === undefined || name === '' ? [] : [value === undefined || value === '' ? name : `${name}:${value}`]));
  // The API takes nothing else; a line of its own would be read as one.
  const isWord = (text: string) => /^\S+$/.test(text);
  const whole = {
    nameservers: unique([...base.nameservers, ...nameservers.filter(isWord)]),
    searches: unique([...base.searches, ...searches.filter(isWord)]),
    options: mergeOptions(base.options, own.filter(isWord)),
  };
  const limited = { ...whole, nameservers: limitNameservers(whole.nameservers, warnings), searches: limitSearches(whole.searches, warnings) };
  return { ...limited, text: formatResolvConf(limited), warnings };
}

function baseOf({ spec, namespace, clusterDomain, clusterDns, host }: PodDnsInput, warnings: { reason: string; message: string }[]): ResolvConf {
  const { dnsPolicy = 'ClusterFirst', hostNetwork = false } = spec;
  switch (dnsPolicy) {
    case 'None':
      return { nameservers: [], searches: [], options: [] };
    case 'Default':
      return host;
    default: {
      // A pod in the machine's network sees the cluster as the machine does, unless it says otherwise.
      if (dnsPolicy !== 'ClusterFirstWithHostNet' && hostNetwork) return host;
      if (clusterDns.length === 0) {
        const message = `there is no cluster DNS: the pod was made with the policy "Default" instead of "${dnsPolicy}"`;
        warnings.push({ reason: 'MissingClusterDNS', message });
        return host;
      }
      const own = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
      return { nameservers: clusterDns, searches: [...own, ...host.searches], options: CLUSTER_OPTIONS };
    }
  }
}

function limitNameservers(nameservers: readonly string[], warnings: { reason: string; message: string }[]): readonly string[] {
  if (nameservers.length <= NAMESERVERS_MAX) return nameservers;
  const applied = nameservers.slice(0, NAMESERVERS_MAX);
  const message = `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${applied.join(' ')}`;
  warnings.push({ reason: 'DNSConfigForming', message });
  return applied;
}

function limitSearches(searches: readonly string[], warnings: { reason: string; message: string }[]): readonly string[] {
  let applied = searches.slice(0, SEARCHES_MAX);
  while (applied.join(' ').length > SEARCH_CHARACTERS_MAX) applied = applied.slice(0, -1);
  if (applied.length === searches.length) return searches;
  const message = `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${applied.join(' ')}`;
  warnings.push({ reason: 'DNSConfigForming', message });
  return applied;
}

/** The later one of a name counts, at the place of the first one. */
function mergeOptions(base: readonly string[], own: readonly string[]): string[] {
  const nameOf = (option: string) => option.split(':', 1)[0] ?? option;
  return [...new Map([...base, ...own].map((option) => [nameOf(option), option])).values()];
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** What of a resolv.conf a resolver looks at: the last search list counts. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line.replace(/[#;].*$/, '').trim().split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) nameservers.push(words[0]);
    // A dot alone is the root, and so nothing to search in.
    if (keyword === 'search' || keyword === 'domain') searches = words.map((word) => (word === '.' ? word : word.replace(/\.$/, '')));
    if (keyword === 'options') options.push(...words);
  }
  return { nameservers, searches, options };
}

export function formatResolvConf({ nameservers, searches, options }: ResolvConf): string {
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
