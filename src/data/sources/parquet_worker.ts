/** Reads a Parquet file row group by row group; a worker, because a malformed file can keep its reader busy for ever. */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { RemoteOptions } from "./remote.ts";
import { storedFile } from "./stored_file.ts";

/** Opens a file, or asks for the rows of one of its row groups. */
export type ParquetRequest =
  | { readonly open: string; readonly remote?: RemoteOptions }
  | { readonly group: number; readonly columns: readonly string[] };

/** What is in the file, or the rows asked for, or why there is none. */
export type ParquetReply =
  | { readonly groups: readonly number[]; readonly columns: readonly string[] }
  | { readonly rows: readonly Record<string, unknown>[] }
  | { readonly problem: string };

/** The part of a worker's global scope that is used here. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ParquetRequest>) => void) | null;
  postMessage(message: ParquetReply): void;
};

let file: AsyncBuffer, starts: number[];

scope.onmessage = async ({ data }) => {
  try {
    scope.postMessage(
      "open" in data ? await open(data.open, data.remote) : { rows: await read(data.group, data.columns) },
    );
  } catch (error) {
    scope.postMessage({ problem: (error as Error).message });
  }
};

async function open(address: string, remote?: RemoteOptions): Promise<ParquetReply> {
  const stored = storedFile(address, remote);
  file = {
    byteLength: await stored.size(),
    slice: async (start, end = file.byteLength) => (await stored.slice(start, end)).buffer,
  };
  const { row_groups: groups, schema } = await parquetMetadataAsync(file);
  const sizes = groups.map(({ num_rows }) => Number(num_rows));
  starts = [0];
  for (const size of sizes) starts.push(starts.at(-1)! + size);
  return { groups: sizes, columns: topLevel(schema) };
}

/** Names of the columns; those inside a struct are left out. */
function topLevel(schema: readonly { readonly name: string; readonly num_children?: number }[]): string[] {
  const names: string[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let child = 0; child < (schema[at].num_children ?? 0); child++) next = skip(next);
    return next;
  };
  for (let at = 1; at < schema.length; at = skip(at)) names.push(schema[at].name);
  return names;
}

async function read(group: number, columns: readonly string[]): Promise<Record<string, unknown>[]> {
  return await parquetReadObjects({
    file,
    columns: [...columns],
    rowStart: starts[group],
    rowEnd: starts[group + 1],
    compressors,
    utf8: false, // pictures are bytes
  });
}
