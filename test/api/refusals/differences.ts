/** Where we answer otherwise than Kubernetes, and why. */
export interface Difference {
  /** `words`: code, reason, and fields and reasons of the causes are the same. */
  readonly in: 'words' | 'causes';
  readonly why: string;
}

export const DIFFERENCES: Readonly<Record<string, Difference>> = {};
