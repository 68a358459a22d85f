/**
 * Repeated keys in JSON, which `JSON.parse` silently drops.
 *
 * @module
 */

/**
 * The first key that some object of a JSON text holds twice, or undefined.
 *
 * @param text valid JSON
 */
export function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = []; // keys of the objects around `at`
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") open.push(new Set());
    else if (text[at] === "}") open.pop();
    else if (text[at] === '"') {
      const start = at++;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      if (!isFollowedByColon(text, at)) continue;
      const key = JSON.parse(text.slice(start, at + 1)) as string;
      const keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Whether the string that ends at `at` is a key rather than a value. */
function isFollowedByColon(text: string, at: number): boolean {
  let next = at + 1;
  while (next < text.length && text[next].trim() === "") next++;
  return text[next] === ":";
}
