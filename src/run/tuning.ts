/**
 * The tuned choices between kernels, kept in the cache folder by adapter and by version of the kernels.
 *
 * @module
 */

import { cacheFiles } from "../data/cache.ts";
import { Device } from "../gpu/device.ts";
import * as shaders from "../gpu/shaders.gen.ts";
import type { Shader } from "../gpu/shader.ts";
import type { Choice } from "../graph/graph.ts";
import { tune, type Tuned } from "../graph/tuner.ts";

/** What is kept: for every class of shapes how its variants did. */
type Table = Readonly<Record<string, Tuned>>;

/** The name under which an adapter's table is kept: other kernels or another adapter have another. */
async function tableName({ adapter }: Device): Promise<string> {
  const texts = Object.values<Shader>(shaders).map(({ source }) => source).join("");
  const bytes = new TextEncoder().encode(`${adapter.description}\n${texts}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `tuning-${
    Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("")
  }.json`;
}

/** The results that are kept for an adapter; none when it was never tuned. */
export async function keptTuning(device: Device, cache?: string): Promise<Tuned[]> {
  const bytes = await cacheFiles(cache).read(await tableName(device));
  return bytes ? Object.values(JSON.parse(new TextDecoder().decode(bytes)) as Table) : [];
}

/** Keeps results next to those of other classes; an empty list forgets all. */
export async function keepTuning(device: Device, results: readonly Tuned[], cache?: string): Promise<void> {
  const earlier = results.length > 0 ? await keptTuning(device, cache) : [];
  const table: Table = Object.fromEntries([...earlier, ...results].map((tuned) => [tuned.key, tuned]));
  await cacheFiles(cache).write(await tableName(device), new TextEncoder().encode(JSON.stringify(table)));
}

/**
 * Tunes the choices that were not tuned before, and keeps each result at once, so that an interruption loses nothing.
 *
 * @param onChoice is told which class comes next, and how many of those that were missing are done; false ends it
 * @param onTuned is told each result
 * @returns what was measured
 * @throws Error when even the default variant of a choice fails
 */
export async function tuneMissing(
  device: Device,
  choices: readonly Choice[],
  cache?: string,
  onChoice: (key: string, done: number, total: number) => boolean | void = () => {},
  onTuned: (tuned: Tuned) => void = () => {},
): Promise<Tuned[]> {
  const missing = choices.filter(({ key }) => !device.tuned.has(key));
  const results: Tuned[] = [];
  for (const [done, choice] of missing.entries()) {
    if (onChoice(choice.key, done, missing.length) === false) break;
    const [tuned] = await tune(device, [choice]);
    await keepTuning(device, [tuned], cache);
    onTuned(tuned);
    results.push(tuned);
  }
  return results;
}

/** What a run records of the kernels that it used: the tuned variants by class, or that all were the defaults. */
export function describeTuning({ tuned }: Device): "defaults" | Readonly<Record<string, string>> {
  return tuned.size === 0 ? "defaults" : Object.fromEntries(tuned);
}

/**
 * Opens the adapter with what was tuned for it.
 *
 * @throws {NoAdapterError} when there is none
 */
export async function openTuned(cache?: string): Promise<Device> {
  const device = await Device.open();
  for (const { key, winner } of await keptTuning(device, cache)) device.tuned.set(key, winner);
  return device;
}
