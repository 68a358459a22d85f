/** `select` on other people's embeddings: the selection, and what is refused. */
import assert from "node:assert/strict";
import { randomNormal, Stream } from "../../src/random/philox.ts";
