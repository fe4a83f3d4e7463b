/** Whether anybody listens at a port, by what the kernel shows of the network of a process. */
import { readFile } from 'node:fs/promises';

const LISTENING = '0A';

/** `undefined`: it cannot be told, the process may have ended. */
export async function isListening(pid: number, port: number): Promise<boolean | undefined> {
  const texts = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => undefined))); // a kernel without IPv6 has no second one
  if (texts[0] === undefined) return undefined;
  return texts.some((text) => listensAt(text ?? '', port));
}

/** Lines such as `0: 0100007F:1F90 00000000:0000 0A …`. */
function listensAt(text: string, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text.split('\n').some((line) => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/);
    return state === LISTENING && local.endsWith(suffix);
  });
}
