/**
 * Several dual encoders as one, whose logit of a picture and a caption is the mean of theirs.
 *
 * Exactly: Σᵣ (αᵣ zᵣ·z′ᵣ + βᵣ) / R = α z·z′ + β with z all rows zᵣ side by side, each times √(αᵣ / Σ α), and α, β the means
 * of the scales and biases. Rows stay of unit length, so whatever takes one model's embeddings takes these.
 *
 * @module
 */

/** What one member's embeddings go by. */
export interface Member {
  /** Columns of its embeddings. */
  readonly width: number;
  /** α */
  readonly logitScale: number;
  /** β */
  readonly logitBias: number;
}

/** Width, scale and bias of all members together. */
export function together(members: readonly Member[]): Member {
  const sum = (of: (member: Member) => number) => members.reduce((total, member) => total + of(member), 0);
  return {
    width: sum(({ width }) => width),
    logitScale: sum(({ logitScale }) => logitScale) / members.length,
    logitBias: sum(({ logitBias }) => logitBias) / members.length,
  };
}

/**
 * The members' unit rows as one set of unit rows; one member's are its own.
 *
 * @param rowsOf a member's rows, [n, its width]
 * @returns [n, sum of the widths]
 */
export function sideBySide<M extends Member>(
  members: readonly M[],
  rowsOf: (member: M) => Float32Array,
): Float32Array {
  if (members.length === 1) return rowsOf(members[0]);
  const { width, logitScale } = together(members), scales = logitScale * members.length;
  const count = rowsOf(members[0]).length / members[0].width, joined = new Float32Array(count * width);
  let column = 0;
  for (const member of members) {
    const rows = rowsOf(member), factor = Math.sqrt(member.logitScale / scales);
    for (let row = 0; row < count; row++) {
      for (let at = 0; at < member.width; at++) {
        joined[row * width + column + at] = factor * rows[row * member.width + at];
      }
    }
    column += member.width;
  }
  return joined;
}
