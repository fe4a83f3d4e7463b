/**
 * Which of many key ranges contain a key? A treap ordered by where a range begins; every node also knows how far the
 * ranges below it reach, so a search leaves out whole subtrees. Equal ranges share a node: of ten thousand watchers,
 * most watch one of a few prefixes. Expected O(log n + matches), with priorities from a counter, so that it is the same
 * on every run.
 */
import type { Key } from './revision.ts';
import type { KeyRange } from './key-index.ts';

interface Node<T> {
  readonly range: KeyRange;
  readonly items: Set<T>;
  readonly priority: number;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
  /** The furthest `to` in this subtree; undefined is the end of the key space. */
  reach: Key | undefined;
}

export class IntervalIndex<T> {
  #root: Node<T> | undefined;
  #drawn = 0;

  add(range: KeyRange, item: T): void {
    this.#root = this.#insert(this.#root, range, item);
  }

  remove(range: KeyRange, item: T): void {
    this.#root = remove(this.#root, range, item);
  }

  /** Every item whose range contains `key`, in the order of the ranges, then of their addition. */
  visit(key: Key, visit: (item: T) => void): void {
    stab(this.#root, key, visit);
  }

  #insert(node: Node<T> | undefined, range: KeyRange, item: T): Node<T> {
    if (node === undefined) {
      return {
        range,
        items: new Set([item]),
        priority: this.#draw(),
        left: undefined,
        right: undefined,
        reach: range.to,
      };
    }
    const order = compareRanges(range, node.range);
    if (order === 0) {
      node.items.add(item);
      return node;
    }
    if (order < 0) {
      node.left = this.#insert(node.left, range, item);
      return node.left.priority < node.priority ? rotateRight(node) : measured(node);
    }
    node.right = this.#insert(node.right, range, item);
    return node.right.priority < node.priority ? rotateLeft(node) : measured(node);
  }

  /** A well-mixed function of a counter (murmur3's finalizer). */
  #draw(): number {
    let mixed = (this.#drawn = (this.#drawn + 0x9e3779b9) | 0);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
}

function stab<T>(node: Node<T> | undefined, key: Key, visit: (item: T) => void): void {
  if (node === undefined || (node.reach !== undefined && node.reach <= key)) return;
  stab(node.left, key, visit);
  if (key < node.range.from) return;
  if (node.range.to === undefined || key < node.range.to) for (const item of node.items) visit(item);
  stab(node.right, key, visit);
}

function remove<T>(node: Node<T> | undefined, range: KeyRange, item: T): Node<T> | undefined {
  if (node === undefined) return undefined;
  const order = compareRanges(range, node.range);
  if (order < 0) node.left = remove(node.left, range, item);
  else if (order > 0) node.right = remove(node.right, range, item);
  else {
    node.items.delete(item);
    if (node.items.size === 0) return merge(node.left, node.right);
  }
  return measured(node);
}

/** Two treaps, everything in `left` before everything in `right`. */
function merge<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority < right.priority) {
    left.right = merge(left.right, right);
    return measured(left);
  }
  right.left = merge(left, right.left);
  return measured(right);
}

function rotateRight<T>(node: Node<T>): Node<T> {
  const top = node.left!;
  node.left = top.right;
  top.right = measured(node);
  return measured(top);
}

function rotateLeft<T>(node: Node<T>): Node<T> {
  const top = node.right!;
  node.right = top.left;
  top.left = measured(node);
  return measured(top);
}

/** Sets the node's reach from its range and its children. */
function measured<T>(node: Node<T>): Node<T> {
  let reach = node.range.to;
  for (const child of [node.left, node.right]) {
    if (child !== undefined && isFurther(child.reach, reach)) reach = child.reach;
  }
  node.reach = reach;
  return node;
}

function compareRanges(a: KeyRange, b: KeyRange): number {
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  if (a.to === b.to) return 0;
  return isFurther(b.to, a.to) ? -1 : 1;
}

function isFurther(a: Key | undefined, b: Key | undefined): boolean {
  return b !== undefined && (a === undefined || a > b);
}
