// Written by scripts/generate.ts from proto/podium/streams.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

export interface CommandInput {
  input:
    | { case: 'start'; value: CommandStart }
    | { case: 'stdin'; value: Uint8Array }
    | { case: 'stdinEnd'; value: StdinEnd }
    | { case: 'size'; value: TerminalSize }
    | undefined;
}

export const CommandInput: MessageCodec<CommandInput> = codec<CommandInput>(
  'podium.streams.v1.CommandInput',
  (w, m) => {
    {
      const one = m.input;
      if (one !== undefined)
        switch (one.case) {
          case 'start': {
            const start = w.open(10);
            CommandStart.write(w, one.value);
            w.close(start);
            break;
          }
          case 'stdin': {
            w.uint32(18).bytes(one.value);
            break;
          }
          case 'stdinEnd': {
            const start = w.open(26);
            StdinEnd.write(w, one.value);
            w.close(start);
            break;
          }
          case 'size': {
            const start = w.open(34);
            TerminalSize.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: CommandInput = { input: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.input = { case: 'start', value: CommandStart.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.input = { case: 'stdin', value: r.bytes() };
          break;
        }
        case 26: {
          const to = r.enter();
          m.input = { case: 'stdinEnd', value: StdinEnd.read(r, to) };
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.input = { case: 'size', value: TerminalSize.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    input: (() => {
      const one = m.input;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'start':
          return { case: one.case, value: CommandStart.create(one.value) };
        case 'stdin':
          return { case: one.case, value: one.value };
        case 'stdinEnd':
          return { case: one.case, value: StdinEnd.create(one.value) };
        case 'size':
          return { case: one.case, value: TerminalSize.create(one.value) };
      }
    })(),
  }),
);

export interface CommandStart {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export const CommandStart: MessageCodec<CommandStart> = codec<CommandStart>(
  'podium.streams.v1.CommandStart',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.pod) {
      w.uint32(18).string(m.pod);
    }
    if (m.uid) {
      w.uint32(26).string(m.uid);
    }
    if (m.container) {
      w.uint32(34).string(m.container);
    }
    if (m.command !== undefined)
      for (const item of m.command) {
        w.uint32(42).string(item);
      }
    if (m.stdin) {
      w.uint32(48).bool(m.stdin);
    }
    if (m.stdout) {
      w.uint32(56).bool(m.stdout);
    }
    if (m.stderr) {
      w.uint32(64).bool(m.stderr);
    }
    if (m.tty) {
      w.uint32(72).bool(m.tty);
    }
  },
  (r, end) => {
    const m: CommandStart = {
      namespace: '',
      pod: '',
      uid: '',
      container: '',
      command: [],
      stdin: false,
      stdout: false,
      stderr: false,
      tty: false,
    };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.namespace = r.string();
          break;
        }
        case 18: {
          m.pod = r.string();
          break;
        }
        case 26: {
          m.uid = r.string();
          break;
        }
        case 34: {
          m.container = r.string();
          break;
        }
        case 42: {
          m.command.push(r.string());
          break;
        }
        case 48: {
          m.stdin = r.bool();
          break;
        }
        case 56: {
          m.stdout = r.bool();
          break;
        }
        case 64: {
          m.stderr = r.bool();
          break;
        }
        case 72: {
          m.tty = r.bool();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    namespace: m.namespace ?? '',
    pod: m.pod ?? '',
    uid: m.uid ?? '',
    container: m.container ?? '',
    command: [...(m.command ?? [])],
    stdin: m.stdin ?? false,
    stdout: m.stdout ?? false,
    stderr: m.stderr ?? false,
    tty: m.tty ?? false,
  }),
);

export interface StdinEnd {}

export const StdinEnd: MessageCodec<StdinEnd> = codec<StdinEnd>(
  'podium.streams.v1.StdinEnd',
  () => {},
  (r, end) => {
    const m: StdinEnd = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface TerminalSize {
  width: number;
  height: number;
}

export const TerminalSize: MessageCodec<TerminalSize> = codec<TerminalSize>(
  'podium.streams.v1.TerminalSize',
  (w, m) => {
    if (m.width) {
      w.uint32(8).uint32(m.width);
    }
    if (m.height) {
      w.uint32(16).uint32(m.height);
    }
  },
  (r, end) => {
    const m: TerminalSize = { width: 0, height: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.width = r.uint32();
          break;
        }
        case 16: {
          m.height = r.uint32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ width: m.width ?? 0, height: m.height ?? 0 }),
);

export interface CommandOutput {
  output:
    | { case: 'started'; value: CommandStarted }
    | { case: 'stdout'; value: Uint8Array }
    | { case: 'stderr'; value: Uint8Array }
    | { case: 'end'; value: CommandEnd }
    | undefined;
}

export const CommandOutput: MessageCodec<CommandOutput> = codec<CommandOutput>(
  'podium.streams.v1.CommandOutput',
  (w, m) => {
    {
      const one = m.output;
      if (one !== undefined)
        switch (one.case) {
          case 'started': {
            const start = w.open(10);
            CommandStarted.write(w, one.value);
            w.close(start);
            break;
          }
          case 'stdout': {
            w.uint32(18).bytes(one.value);
            break;
          }
          case 'stderr': {
            w.uint32(26).bytes(one.value);
            break;
          }
          case 'end': {
            const start = w.open(34);
            CommandEnd.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: CommandOutput = { output: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.output = { case: 'started', value: CommandStarted.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.output = { case: 'stdout', value: r.bytes() };
          break;
        }
        case 26: {
          m.output = { case: 'stderr', value: r.bytes() };
          break;
        }
        case 34: {
          const to = r.enter();
          m.output = { case: 'end', value: CommandEnd.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    output: (() => {
      const one = m.output;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'started':
          return { case: one.case, value: CommandStarted.create(one.value) };
        case 'stdout':
          return { case: one.case, value: one.value };
        case 'stderr':
          return { case: one.case, value: one.value };
        case 'end':
          return { case: one.case, value: CommandEnd.create(one.value) };
      }
    })(),
  }),
);

export interface CommandStarted {}

export const CommandStarted: MessageCodec<CommandStarted> = codec<CommandStarted>(
  'podium.streams.v1.CommandStarted',
  () => {},
  (r, end) => {
    const m: CommandStarted = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface CommandEnd {
  exitCode: number;
  error: string;
}

export const CommandEnd: MessageCodec<CommandEnd> = codec<CommandEnd>(
  'podium.streams.v1.CommandEnd',
  (w, m) => {
    if (m.exitCode) {
      w.uint32(8).int32(m.exitCode);
    }
    if (m.error) {
      w.uint32(18).string(m.error);
    }
  },
  (r, end) => {
    const m: CommandEnd = { exitCode: 0, error: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.exitCode = r.int32();
          break;
        }
        case 18: {
          m.error = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ exitCode: m.exitCode ?? 0, error: m.error ?? '' }),
);

export interface PortInput {
  input:
    | { case: 'start'; value: PortStart }
    | { case: 'data'; value: Uint8Array }
    | { case: 'end'; value: PortEnd }
    | undefined;
}

export const PortInput: MessageCodec<PortInput> = codec<PortInput>(
  'podium.streams.v1.PortInput',
  (w, m) => {
    {
      const one = m.input;
      if (one !== undefined)
        switch (one.case) {
          case 'start': {
            const start = w.open(10);
            PortStart.write(w, one.value);
            w.close(start);
            break;
          }
          case 'data': {
            w.uint32(18).bytes(one.value);
            break;
          }
          case 'end': {
            const start = w.open(26);
            PortEnd.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: PortInput = { input: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.input = { case: 'start', value: PortStart.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.input = { case: 'data', value: r.bytes() };
          break;
        }
        case 26: {
          const to = r.enter();
          m.input = { case: 'end', value: PortEnd.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    input: (() => {
      const one = m.input;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'start':
          return { case: one.case, value: PortStart.create(one.value) };
        case 'data':
          return { case: one.case, value: one.value };
        case 'end':
          return { case: one.case, value: PortEnd.create(one.value) };
      }
    })(),
  }),
);

export interface PortStart {
  namespace: string;
  pod: string;
  uid: string;
  port: number;
}

export const PortStart: MessageCodec<PortStart> = codec<PortStart>(
  'podium.streams.v1.PortStart',
  (w, m) => {
    if (m.namespace) {
      w.uint32(10).string(m.namespace);
    }
    if (m.pod) {
      w.uint32(18).string(m.pod);
    }
    if (m.uid) {
      w.uint32(26).string(m.uid);
    }
    if (m.port) {
      w.uint32(32).uint32(m.port);
    }
  },
  (r, end) => {
    const m: PortStart = { namespace: '', pod: '', uid: '', port: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.namespace = r.string();
          break;
        }
        case 18: {
          m.pod = r.string();
          break;
        }
        case 26: {
          m.uid = r.string();
          break;
        }
        case 32: {
          m.port = r.uint32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ namespace: m.namespace ?? '', pod: m.pod ?? '', uid: m.uid ?? '', port: m.port ?? 0 }),
);

export interface PortEnd {}

export const PortEnd: MessageCodec<PortEnd> = codec<PortEnd>(
  'podium.streams.v1.PortEnd',
  () => {},
  (r, end) => {
    const m: PortEnd = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);

export interface PortOutput {
  output: { case: 'started'; value: PortStarted } | { case: 'data'; value: Uint8Array } | undefined;
}

export const PortOutput: MessageCodec<PortOutput> = codec<PortOutput>(
  'podium.streams.v1.PortOutput',
  (w, m) => {
    {
      const one = m.output;
      if (one !== undefined)
        switch (one.case) {
          case 'started': {
            const start = w.open(10);
            PortStarted.write(w, one.value);
            w.close(start);
            break;
          }
          case 'data': {
            w.uint32(18).bytes(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: PortOutput = { output: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.output = { case: 'started', value: PortStarted.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          m.output = { case: 'data', value: r.bytes() };
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    output: (() => {
      const one = m.output;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'started':
          return { case: one.case, value: PortStarted.create(one.value) };
        case 'data':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export interface PortStarted {}

export const PortStarted: MessageCodec<PortStarted> = codec<PortStarted>(
  'podium.streams.v1.PortStarted',
  () => {},
  (r, end) => {
    const m: PortStarted = {};
    while (r.position < end) {
      const tag = r.tag();
      r.skip(tag);
    }
    return m;
  },
  () => ({}),
);
