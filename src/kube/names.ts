/** What names may be: RFC 1123 and 1035 labels, subdomains, qualified names. Each check answers Kubernetes' messages. */
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;
const PORT_NAME = /^[-a-z0-9]+$/;

export const LABEL_LENGTH_MAX = 63;
export const SUBDOMAIN_LENGTH_MAX = 253;

const tooLong = (max: number) => `must be no more than ${max} characters`;
/** Labels and their like are counted in bytes, which is the same: they are ASCII, or refused. */
const tooManyBytes = (max: number) => `must be no more than ${max} bytes`;

export function checkDnsLabel(name: string): string[] {
  const found: string[] = [];
  if (name.length > LABEL_LENGTH_MAX) found.push(tooLong(LABEL_LENGTH_MAX));
  if (!LABEL.test(name) && SUBDOMAIN.test(name)) found.push('must not contain dots');
  else if (!LABEL.test(name)) {
    found.push(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
        "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    );
  }
  return found;
}

export function checkDns1035Label(name: string): string[] {
  const found: string[] = [];
  if (name.length > LABEL_LENGTH_MAX) found.push(tooLong(LABEL_LENGTH_MAX));
  if (!LABEL_1035.test(name)) {
    found.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end " +
        "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    );
  }
  return found;
}

export function checkDnsSubdomain(name: string): string[] {
  const found: string[] = [];
  if (name.length > SUBDOMAIN_LENGTH_MAX) found.push(tooLong(SUBDOMAIN_LENGTH_MAX));
  if (!SUBDOMAIN.test(name)) {
    found.push(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
        "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
  }
  return found;
}

/** Keys of labels, annotations, taints and resources: `name` or `prefix/name`. */
export function checkQualifiedName(key: string): string[] {
  const parts = key.split('/');
  if (parts.length > 2) {
    return [
      "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
        "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ];
  }
  const found: string[] = [];
  const name = parts[parts.length - 1]!;
  if (parts.length === 2) {
    if (parts[0] === '') found.push('prefix part must be non-empty');
    else found.push(...checkDnsSubdomain(parts[0]!).map((message) => `prefix part ${message}`));
  }
  if (name === '') found.push('name part must be non-empty');
  else if (name.length > LABEL_LENGTH_MAX) found.push(`name part ${tooManyBytes(LABEL_LENGTH_MAX)}`);
  if (!QUALIFIED.test(name)) {
    found.push(
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
        "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    );
  }
  return found;
}

export function checkLabelValue(value: string): string[] {
  const found: string[] = [];
  if (value.length > LABEL_LENGTH_MAX) found.push(tooManyBytes(LABEL_LENGTH_MAX));
  if (!LABEL_VALUE.test(value)) {
    found.push(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
        "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
        "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    );
  }
  return found;
}

export function checkConfigKey(key: string): string[] {
  const found: string[] = [];
  if (key.length > SUBDOMAIN_LENGTH_MAX) found.push(tooLong(SUBDOMAIN_LENGTH_MAX));
  if (!CONFIG_KEY.test(key)) {
    found.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or " +
        "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    );
  }
  if (key === '.' || key === '..') found.push(`must not be '${key}'`);
  else if (key.startsWith('..')) found.push("must not start with '..'");
  return found;
}

export function checkPortName(name: string): string[] {
  const found: string[] = [];
  if (name.length > 15) found.push(tooLong(15));
  if (!PORT_NAME.test(name)) found.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) found.push('must contain at least one letter (a-z)');
  if (name.includes('--')) found.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) found.push('must not begin or end with a hyphen');
  return found;
}

export function checkEnvName(name: string): string[] {
  const isPrintable = /^[ -<>-~]+$/.test(name);
  return isPrintable ? [] : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

export function checkPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}

export function isIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** Eight groups of hexadecimal digits, of which one run of zeros may be left out; the last two may be an IPv4 address. */
export function isIPv6(text: string): boolean {
  const last = text.slice(text.lastIndexOf(':') + 1);
  const plain = last.includes('.') ? (isIPv4(last) ? `${text.slice(0, -last.length)}0:0` : '') : text;
  const halves = plain.split('::');
  if (halves.length > 2 || !plain.includes(':')) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) && (halves.length === 2 ? groups.length < 8 : groups.length === 8);
}

const NO_ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

export function checkIPv4(text: string): string[] {
  return isIPv4(text) ? [] : [NO_ADDRESS];
}

export function checkIp(text: string): string[] {
  return isIPv4(text) || isIPv6(text) ? [] : [NO_ADDRESS];
}

/** `10.0.0.0/8`: an address and how many of its bits count. */
export function checkCidr(text: string): string[] {
  const [address = '', bits = '', ...rest] = text.split('/');
  const max = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  const isCidr = rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= max;
  return isCidr ? [] : ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
}

/** Names that are a part of a path and else free, such as `system:node`. */
export function checkPathSegment(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((sign) => name.includes(sign)).map((sign) => `may not contain '${sign}'`);
}
