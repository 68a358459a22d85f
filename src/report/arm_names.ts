import type { Arm } from "../train/record.ts";

/** What each arm is called in reports. */
export const armNames: Readonly<Record<Arm, string>> = {
  joint: "JEST",
  independent: "independent",
  gibbs: "Gibbs",
  "top-k": "top-k",
  uniform: "uniform",
  reference: "reference",
};
