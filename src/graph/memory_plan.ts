/**
 * Places the temporaries of a graph into slots: tensors that are never alive together share a slot, and each slot
 * becomes one buffer.
 *
 * @module
 */

import type { Graph } from "./graph.ts";
import type { Tensor, TensorStorage } from "./tensor.ts";

/** When a storage is alive, in dispatch numbers, both ends included. */
export interface Lifetime {
  readonly storage: TensorStorage;
  first: number;
  last: number;
}

/** One buffer and the storages that take turns in it. */
export interface Slot {
  sizeBytes: number;
  readonly lifetimes: Lifetime[];
}

/** Where every temporary of a graph lies. */
export interface MemoryPlan {
  readonly slots: readonly Slot[];
  /** Bytes that the slots take together. */
  readonly plannedBytes: number;
  /** Bytes that the temporaries would take without sharing. */
  readonly unsharedBytes: number;
}

/**
 * Plans the memory of a graph: largest storage first, each into the first slot whose tenants it never meets.
 *
 * @param graph a graph whose recording is finished
 * @throws Error when a dispatch reads a temporary that nothing wrote
 */
export function planMemory(graph: Graph): MemoryPlan {
  const slots: Slot[] = [], tenancies: Lifetime[][] = [];
  let unsharedBytes = 0;
  const lifetimes = lifetimesOf(graph).toSorted((a, b) => b.storage.sizeBytes - a.storage.sizeBytes);
  for (const lifetime of lifetimes) {
    unsharedBytes += lifetime.storage.sizeBytes;
    const free = tenancies.findIndex((tenants) => moveIn(lifetime, tenants));
    if (free >= 0) slots[free].lifetimes.push(lifetime);
    else {
      slots.push({ sizeBytes: lifetime.storage.sizeBytes, lifetimes: [lifetime] });
      tenancies.push([lifetime]);
    }
  }
  const plannedBytes = slots.reduce((sum, slot) => sum + slot.sizeBytes, 0);
  return { slots, plannedBytes, unsharedBytes };
}

/**
 * Puts a lifetime among tenants that never meet, sorted by time, unless it meets one of them. Their number grows with
 * that of the micro-batches, so its place is found by bisection.
 */
function moveIn(lifetime: Lifetime, tenants: Lifetime[]): boolean {
  let low = 0, high = tenants.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tenants[middle].first < lifetime.first) low = middle + 1;
    else high = middle;
  }
  if (tenants[low - 1]?.last >= lifetime.first || tenants[low]?.first <= lifetime.last) return false;
  tenants.splice(low, 0, lifetime);
  return true;
}

function lifetimesOf(graph: Graph): Lifetime[] {
  const found = new Map<TensorStorage, Lifetime>();
  // Constants are uploaded once, so they keep their place for the whole program.
  for (const { tensor: { storage } } of graph.constants) {
    if (!storage.range) found.set(storage, { storage, first: 0, last: graph.dispatches.length });
  }
  const meet = ({ storage }: Tensor, at: number, mayBegin: boolean, reader: string) => {
    if (storage.range || storage === graph.nothing.storage) return;
    const lifetime = found.get(storage);
    if (lifetime) lifetime.last = Math.max(lifetime.last, at);
    else if (mayBegin) found.set(storage, { storage, first: at, last: at });
    else throw new Error(`"${reader}" reads "${storage.label}", which nothing has written`);
  };
  graph.dispatches.forEach(({ shader, entry, reads, writes }, at) => {
    for (const tensor of Object.values(reads)) meet(tensor, at, false, `${shader.name}.${entry}`);
    for (const tensor of Object.values(writes)) meet(tensor, at, true, "");
  });
  return [...found.values()];
}

/** A buffer of a plan: what takes turns in it. */
export interface PlannedBuffer {
  readonly sizeBytes: number;
  /** The tensors' names, largest first, each once. */
  readonly labels: readonly string[];
  /** Parts of the step that touch it, in order. */
  readonly phases: readonly string[];
}

/** The slots of a graph's plan by what lies in them, largest first. */
export function plannedBuffers(graph: Graph, plan: MemoryPlan): PlannedBuffer[] {
  return plan.slots.map(({ sizeBytes, lifetimes }) => {
    const order = lifetimes.toSorted((a, b) => a.first - b.first);
    return {
      sizeBytes,
      labels: [...new Set(lifetimes.map(({ storage }) => storage.label))],
      phases: [...new Set(order.flatMap(({ first, last }) => [phaseAt(graph, first), phaseAt(graph, last)]))],
    };
  });
}

function phaseAt({ dispatches }: Graph, at: number): string {
  return dispatches[Math.min(at, dispatches.length - 1)].phase;
}
