/** What may be asked of a container's log, by either face. */
export interface LogOptions {
  /** Empty: the only one. */
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceSeconds: number | undefined;
  readonly sinceTime: string;
  readonly limitBytes: number | undefined;
}
