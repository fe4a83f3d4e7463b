import { SharedAnswers } from '../proto/shared-answers.ts';

/** What a streaming handler yields to a transport, as fast as the other end takes it. */
export interface AnswerSink {
  /** False: it holds back; `drained` tells when it goes on. */
  write(answer: unknown): boolean;
  /** The same for many; absent where they are written one by one. */
  writeShared?(answers: SharedAnswers): boolean;
  drained(goOn: () => void): void;
  end(): void;
  fail(error: unknown): void;
}

/**
 * Answers how to stop early: the handler is not waited for, and nothing reaches the sink any more. By callbacks: to race
 * each answer with an end that may never come would leave a reaction behind for every one of them.
 */
export function pump(run: () => AsyncIterable<unknown>, sink: AnswerSink): () => void {
  let isOver = false;
  let iterator: AsyncIterator<unknown> | undefined;
  const fail = (error: unknown) => {
    if (isOver) return;
    isOver = true;
    sink.fail(error);
  };
  const next = () => {
    if (!isOver) iterator!.next().then(onNext, fail);
  };
  const onNext = (result: IteratorResult<unknown>) => {
    if (isOver) return;
    if (result.done === true) {
      isOver = true;
      return sink.end();
    }
    const { value } = result;
    if (!(value instanceof SharedAnswers)) return write(() => sink.write(value), next);
    if (sink.writeShared === undefined) return writeEach(value, 0);
    write(() => sink.writeShared!(value), next);
  };
  const write = (run: () => boolean, then: () => void) => {
    let goesOn: boolean;
    try {
      goesOn = run();
    } catch (error) {
      return leave(error);
    }
    if (goesOn) then();
    else sink.drained(then);
  };
  const writeEach = (answers: SharedAnswers, from: number): void => {
    let at = from;
    try {
      while (at < answers.heads.length) {
        if (!sink.write(answers.answer(at++))) return sink.drained(() => writeEach(answers, at));
      }
    } catch (error) {
      return leave(error);
    }
    next();
  };
  const leave = (error: unknown) => {
    fail(error);
    // Not awaited: a generator that is itself waiting returns when it notices.
    void iterator?.return?.()?.catch(() => undefined);
  };
  try {
    iterator = run()[Symbol.asyncIterator]();
    next();
  } catch (error) {
    fail(error);
  }
  return () => {
    if (isOver) return;
    isOver = true;
    void iterator?.return?.()?.catch(() => undefined);
  };
}
