/** What the parts of a session have in common: session.ts makes it, stream-*.ts are handed it. */
import type { FrameOutput } from './frame-output.ts';
import type { RequestHead } from './head.ts';
import type { Patience } from './patience.ts';
import type { RemoteSettings, SessionSettings } from './settings.ts';
import type { Stream } from './stream.ts';

export interface SessionEvents {
  /** A stream that the other end has opened: `stream.events` is to be set. */
  onRequest(stream: Stream, head: RequestHead, endStream: boolean): void;
  /** There is something in `output` that was not there before. */
  onOutput(): void;
  /** The other end's first settings are here: it speaks HTTP/2. */
  onReady(): void;
  onPong(): void;
  /** The other end takes no more streams, and none past `lastStreamId`; those are reset as refused before this is called. */
  onGoAway(code: number, debug: string): void;
  onStreamClosed(): void;
}

export interface SessionContext {
  readonly isServer: boolean;
  readonly settings: SessionSettings;
  readonly remote: RemoteSettings;
  readonly output: FrameOutput;
  readonly patience: Patience;
  readonly events: SessionEvents;
}
