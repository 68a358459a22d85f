import type { Arm } from "../train/record.ts";

/** What an arm is called in reports. */
export function armName(arm: Arm): string {
  return arm === "joint" ? "JEST" : arm === "gibbs" ? "Gibbs" : arm;
}
