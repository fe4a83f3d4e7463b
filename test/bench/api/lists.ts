/** One list of everything: when its first byte comes, when its last, and by how much the server grows meanwhile. */
import { systemClock } from '../../../src/base/system-clock.ts';
import { cpuMsOf, peakRssOf, resetPeakRss, rssOf } from '../memory.ts';
import { RawHttp2 } from './raw-http2.ts';
import type { Subject } from './subjects.ts';

export interface ListResult {
  readonly totalMs: number;
  readonly firstByteMs: number;
  readonly bytes: number;
  /** By how much the server's resident memory was larger at its largest than before. */
  readonly riseMiB: number;
  readonly cpuMs: number;
}

export async function listOnce(subject: Subject, path: string, headers: Readonly<Record<string, string>> = {}): Promise<ListResult> {
  const { pid, port } = subject;
  const client = await RawHttp2.connect(port);
  try {
    resetPeakRss(pid);
    const [rss, cpu] = [rssOf(pid), cpuMsOf(pid)];
    const sentAt = systemClock.monotonic();
    let firstAt = 0;
    let bytes = 0;
    await new Promise<void>((resolve, reject) => {
      client.get(
        path,
        {
          onData: (part) => {
            firstAt ||= systemClock.monotonic();
            bytes += part.length;
          },
          onEnd: (error) => (error === undefined ? resolve() : reject(error)),
        },
        headers,
      );
    });
    const totalMs = systemClock.monotonic() - sentAt;
    return { totalMs, firstByteMs: firstAt - sentAt, bytes, riseMiB: peakRssOf(pid) - rss, cpuMs: cpuMsOf(pid) - cpu };
  } finally {
    client.close();
  }
}
