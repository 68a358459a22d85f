/**
 * Decoded pictures of one size, in memory or in a file where they are too many.
 *
 * @module
 */

import { writeError } from "../storage/files.ts";

/** n pictures of one size. */
export interface Pictures {
  /** n */
  readonly size: number;
  /** Bytes of one: I · I · 3. */
  readonly length: number;
  /** The pictures from `first` on, [count, I, I, 3]; not to be written to. */
  slice(first: number, count: number): Uint8Array<ArrayBuffer>;
  /** Pictures by number, [indices, I, I, 3]. */
  gather(indices: ArrayLike<number>): Uint8Array<ArrayBuffer>;
}

/**
 * Pictures in memory.
 *
 * @param pixels [n, I, I, 3]
 * @param length bytes of one
 */
export function picturesInMemory(pixels: Uint8Array<ArrayBuffer>, length: number): Pictures {
  return {
    size: pixels.length / length,
    length,
    slice: (first, count) => pixels.subarray(first * length, (first + count) * length),
    gather(indices) {
      const picked = new Uint8Array(indices.length * length);
      for (let at = 0; at < indices.length; at++) {
        picked.set(pixels.subarray(indices[at] * length, (indices[at] + 1) * length), at * length);
      }
      return picked;
    },
  };
}

/** Some of the pictures, in the order given; they stay where they are. */
export function pickPictures(all: Pictures, rows: ArrayLike<number>): Pictures {
  const gather = (indices: ArrayLike<number>) => all.gather(Array.from(indices, (index) => rows[index]));
  return {
    size: rows.length,
    length: all.length,
    slice: (first, count) => gather(Array.from({ length: count }, (_, at) => first + at)),
    gather,
  };
}

/** The pictures of one set, then those of another of the same size. */
export function chainPictures(one: Pictures, other: Pictures): Pictures {
  const gather = (indices: ArrayLike<number>) => {
    const picked = new Uint8Array(indices.length * one.length);
    for (let at = 0; at < indices.length; at++) {
      const index = indices[at], [set, row] = index < one.size ? [one, index] : [other, index - one.size];
      picked.set(set.slice(row, 1), at * one.length);
    }
    return picked;
  };
  return {
    size: one.size + other.size,
    length: one.length,
    slice: (first, count) => gather(Array.from({ length: count }, (_, at) => first + at)),
    gather,
  };
}

/**
 * Pictures in a file that has no name any more, so that nothing of it stays behind however the program ends.
 */
export class PicturesFile implements Pictures, Disposable {
  #size = 0;

  private constructor(private readonly file: Deno.FsFile, readonly length: number) {}

  /**
   * An empty file.
   *
   * @param folder where it takes its room
   * @param length bytes of a picture
   * @throws {FileError} when it cannot be made
   */
  static async create(folder: string, length: number): Promise<PicturesFile> {
    const path = `${folder}/pictures-${crypto.randomUUID()}.tmp`;
    try {
      await Deno.mkdir(folder, { recursive: true });
      const file = await Deno.open(path, { createNew: true, read: true, write: true });
      await Deno.remove(path).catch(() => {}); // where open files keep their names, it stays for the system to clean
      return new PicturesFile(file, length);
    } catch (cause) {
      throw writeError(folder, cause);
    }
  }

  /** n */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds pictures at the end.
   *
   * @throws {FileError} when the disk is full
   */
  append(pixels: Uint8Array): void {
    try {
      this.file.seekSync(0, Deno.SeekMode.End);
      for (let written = 0; written < pixels.length;) {
        written += this.file.writeSync(pixels.subarray(written));
      }
    } catch (cause) {
      throw writeError("the cache folder's file of decoded pictures", cause);
    }
    this.#size += pixels.length / this.length;
  }

  /** The pictures from `first` on, [count, I, I, 3]. */
  slice(first: number, count: number): Uint8Array<ArrayBuffer> {
    const pixels = new Uint8Array(count * this.length);
    this.#read(first, pixels);
    return pixels;
  }

  /** Pictures by number, [indices, I, I, 3]. */
  gather(indices: ArrayLike<number>): Uint8Array<ArrayBuffer> {
    const { length } = this, picked = new Uint8Array(indices.length * length);
    for (let at = 0; at < indices.length; at++) {
      this.#read(indices[at], picked.subarray(at * length, (at + 1) * length));
    }
    return picked;
  }

  /** Gives the room back. */
  [Symbol.dispose](): void {
    this.file.close();
  }

  #read(first: number, into: Uint8Array): void {
    this.file.seekSync(first * this.length, Deno.SeekMode.Start);
    for (let read = 0; read < into.length;) {
      const count = this.file.readSync(into.subarray(read));
      if (count === null) throw new RangeError(`There is no picture ${first} among ${this.#size}`);
      read += count;
    }
  }
}
