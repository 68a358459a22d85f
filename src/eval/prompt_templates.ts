/**
 * Prompts for zero-shot classification.
 *
 * @module
 */

/**
 * The seven templates that CLIP's authors chose for ImageNet by forward selection out of their eighty; nearly as good as all
 * of them together. Source: the notebook on prompts beside CLIP, arXiv:2103.00020, section 3.1.4.
 */
export const clipTemplates: readonly string[] = [
  "itap of a {}.",
  "a bad photo of the {}.",
  "a origami {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}.",
];

/**
 * Every class in every template, those of a class one after another.
 *
 * @param templates sentences with `{}` where the class goes
 * @returns [classes · templates]
 * @throws RangeError when there is no template, or one has no `{}`
 */
export function promptsOf(classes: readonly string[], templates: readonly string[]): string[] {
  if (templates.length === 0) {
    throw new RangeError("There is no prompt template: give at least one line with {}");
  }
  const bare = templates.findIndex((template) => !template.includes("{}"));
  if (bare >= 0) {
    throw new RangeError(
      `Prompt template ${bare + 1}, "${templates[bare]}", has no {}: write one where the class goes`,
    );
  }
  return classes.flatMap((name) => templates.map((template) => template.replaceAll("{}", () => name)));
}
