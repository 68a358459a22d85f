/** Decodes pictures and brings them to a model's size; one of several workers. */
import { decodeImage } from "./decode.ts";
import { ImageError } from "./image.ts";
import type { Preprocessing } from "./preprocessing.ts";
import { resizeImage } from "./resize.ts";

/** A picture to decode. */
export interface DecodeRequest {
  readonly image: Uint8Array;
  readonly preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">;
  readonly maxPixels?: number;
}

/** Its pixels [I, I, 3] with its size as stored, or why there are none. */
export type DecodeReply =
  | { readonly pixels: Uint8Array<ArrayBuffer>; readonly width: number; readonly height: number }
  | { readonly reason: string };

/** The part of a worker's global scope that is used here. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<DecodeRequest>) => void) | null;
  postMessage(message: DecodeReply, transfer?: Transferable[]): void;
};

/** Answers come in the order of the questions. */
let last = Promise.resolve();
scope.onmessage = ({ data }) => {
  last = last.then(() => answer(data));
};

async function answer({ image, preprocessing, maxPixels }: DecodeRequest): Promise<void> {
  try {
    const decoded = await decodeImage(image, { maxPixels });
    const { width, height } = decoded, pixels = resizeImage(decoded, preprocessing);
    scope.postMessage({ pixels, width, height }, [pixels.buffer]);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error; // a defect, and no property of the picture
    scope.postMessage({ reason: error.message });
  }
}
