/** The users and groups that an image knows: its /etc/passwd and /etc/group, as texts. Lines that are none are passed over. */

export interface Accounts {
  readonly passwd: string;
  readonly group: string;
}

export interface Account {
  readonly name: string;
  readonly user: number;
  readonly group: number;
  readonly home: string;
}

/** A number is a user's, whether he is in the file or not; what is no number is a name. */
export function findAccount({ passwd }: Accounts, who: number | string): Account | undefined {
  return accountsOf(passwd).find(({ name, user }) => (typeof who === 'number' ? user === who : name === who));
}

export function findGroup({ group }: Accounts, name: string): number | undefined {
  return groupsOf(group).find((one) => one.name === name)?.group;
}

/** Those that name the user among their members. */
export function groupsWith({ group }: Accounts, user: string): readonly number[] {
  return groupsOf(group)
    .filter(({ members }) => members.includes(user))
    .map((one) => one.group);
}

function accountsOf(passwd: string): Account[] {
  return passwd.split('\n').flatMap((line) => {
    const [name = '', , user = '', group = '', , home = ''] = line.split(':');
    return name !== '' && isId(user) && isId(group) ? [{ name, user: Number(user), group: Number(group), home }] : [];
  });
}

function groupsOf(text: string): { readonly name: string; readonly group: number; readonly members: readonly string[] }[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , group = '', members = ''] = line.split(':');
    return name !== '' && isId(group) ? [{ name, group: Number(group), members: members.split(',') }] : [];
  });
}

/** What the kernel takes for a user or a group: -1 is none. */
export function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1;
}
