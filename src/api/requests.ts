/** What is asked of the registry, and what it answers, whichever face carries it. */
import type { KubeObject } from '../kube/types.ts';
import type { FieldValidation, Preconditions } from './core/draft.ts';
import type { Kind, Requester } from './kinds/kind.ts';

export interface Ref {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Empty: cluster scoped, or all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

export interface WriteOptions {
  /** Who asks; the kinds that record it find it here. */
  readonly user?: Requester;
  readonly dryRun?: boolean;
  readonly fieldValidation?: FieldValidation;
  /** What is to be said of fields that the body has twice. */
  readonly duplicates?: readonly string[];
  readonly preconditions?: Preconditions | undefined;
  /** Who writes, as `metadata.managedFields` names it. */
  readonly fieldManager?: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Takes the fields that others own with other values. */
  readonly force?: boolean;
}

export interface Written {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
  /** It was not there before. */
  readonly isNew?: boolean;
}

export interface ListQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface Listed {
  readonly kind: Kind;
  readonly resourceVersion: string;
  readonly continue: string;
  readonly items: readonly KubeObject[];
  readonly remainingItemCount: number | undefined;
}

export interface WatchQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean | undefined;
  readonly signal: AbortSignal;
  /** 0: until the signal fires. */
  readonly timeoutSeconds?: number;
  readonly onSlow?: () => void;
}

export type PatchType = 'merge' | 'strategic' | 'json';

export interface DeleteQuery {
  readonly preconditions?: Preconditions | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string;
  /** What came before `propagationPolicy`. */
  readonly orphanDependents?: boolean | undefined;
  readonly dryRun?: boolean;
}
