/**
 * Rewrites the constants of a WGSL text and its aliases of stored types, and expands its marked loops.
 *
 * Both work on text, so that the files stay valid WGSL by themselves: without this step they run too, only slower.
 * Expansion matters because naga bounds every loop and clamps every run-time index into a private array; constant
 * indices cost nothing.
 *
 * @module
 */

/** Values by constant name. */
export type ConstantValues = { readonly [name: string]: number | boolean | undefined };

/**
 * The text with `const NAME: type = value;` rewritten for each given name and every loop under `// @unroll` expanded.
 *
 * @param source WGSL text
 * @param constants new values; `undefined` keeps the text's own
 * @param halved aliases that are to name the half-precision form of their type
 * @throws RangeError when the text declares no such constant or alias
 * @throws SyntaxError when a marked loop's bounds are not constant
 *
 * @example
 * ```ts
 * import { specialize } from "./specialize.ts";
 * specialize("const TILE: u32 = 4u;", { TILE: 8 }); // "const TILE: u32 = 8u;"
 * ```
 */
export function specialize(
  source: string,
  constants: ConstantValues,
  halved: readonly string[] = [],
): string {
  let text = halved.reduce(halve, source);
  for (const [name, value] of Object.entries(constants)) {
    if (value === undefined) continue;
    const declaration = new RegExp(`\\bconst ${name}: (u32|i32|f32|bool) = [^;]+;`);
    const found = declaration.exec(text);
    if (!found) {
      throw new RangeError(
        `Cannot set constant "${name}": the shader declares no "const ${name}: type = …;"`,
      );
    }
    text = text.replace(declaration, `const ${name}: ${found[1]} = ${literal(value, found[1])};`);
  }
  return expandLoops(text, declaredIntegers(text));
}

/** The text with an alias of f32 or a vector of it, maybe through another alias, turned into f16 or a vector of that. */
function halve(text: string, alias: string): string {
  const declaration = new RegExp(`\\balias ${alias} = (\\w+);`);
  let type = declaration.exec(text)?.[1];
  while (type && !/^(f32|vec[234]f)$/.test(type)) {
    type = new RegExp(`\\balias ${type} = (\\w+);`).exec(text)?.[1];
  }
  if (!type) {
    throw new RangeError(`Cannot halve "${alias}": the shader declares no such alias of f32 or its vectors`);
  }
  return text.replace(declaration, `alias ${alias} = ${type === "f32" ? "f16" : type.replace("f", "h")};`);
}

function literal(value: number | boolean, type: string): string {
  if (type === "bool") return value ? "true" : "false";
  if (type === "u32") return `${value}u`;
  if (type === "i32") return `${value}i`;
  const digits = String(Number(value));
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

/** The integer constants that a text declares; a later one may be an expression of earlier ones. */
function declaredIntegers(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const [, name, expression] of text.matchAll(/\bconst (\w+): (?:u32|i32) = ([^;]+);/g)) {
    const value = evaluate(expression, values);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

/** The value of an integer expression of literals, known names, + − × ÷ % and brackets, or undefined. */
function evaluate(expression: string, names: ReadonlyMap<string, number>): number | undefined {
  const tokens = expression.match(/\d+[ui]?|[A-Za-z_]\w*|[-+*/%()]/g) ?? [];
  let at = 0;
  const primary = (): number => {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      at++;
      return value;
    }
    return /^\d/.test(token ?? "") ? parseInt(token) : names.get(token) ?? NaN;
  };
  const product = (): number => {
    let value = primary();
    while (at < tokens.length && "*/%".includes(tokens[at])) {
      const operator = tokens[at++], right = primary();
      value = operator === "*" ? value * right : operator === "/" ? Math.trunc(value / right) : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (at < tokens.length && "+-".includes(tokens[at])) {
      value = tokens[at++] === "+" ? value + product() : value - product();
    }
    return value;
  };
  const value = sum();
  return Number.isNaN(value) || at < tokens.length ? undefined : value;
}

const markedLoop =
  /\/\/ @unroll[^\n]*\n\s*for \(var (\w+)(?:: u32)? = ([^;]+); \1 < ([^;]+); \1(?:\+\+| \+= ([^)]+))\) \{/;

function expandLoops(text: string, names: ReadonlyMap<string, number>): string {
  const found = markedLoop.exec(text);
  if (!found) {
    const mark = text.indexOf("// @unroll");
    if (mark >= 0) {
      throw new SyntaxError(
        `Cannot expand the loop after "// @unroll": expected "for (var i = a; i < b; i++) {", got ` +
          JSON.stringify(text.slice(mark + 10, mark + 90)),
      );
    }
    return text;
  }
  const [head, variable, from, to, by] = found;
  const [first, end, stride] = [from, to, by ?? "1"].map((bound) => evaluate(bound, names));
  if (first === undefined || end === undefined || stride === undefined) {
    throw new SyntaxError(
      `Cannot expand the loop over "${variable}": its bounds ${from} … ${to} are not constant`,
    );
  }
  const bodyStart = found.index + head.length;
  const bodyEnd = closingBrace(text, bodyStart);
  const body = text.slice(bodyStart, bodyEnd);
  const name = new RegExp(`\\b${variable}\\b`, "g");
  let expansion = "";
  for (let value = first; value < end; value += stride) expansion += `{${body.replace(name, `${value}u`)}}\n`;
  return expandLoops(text.slice(0, found.index) + expansion + text.slice(bodyEnd + 1), names);
}

function closingBrace(text: string, start: number): number {
  for (let at = start, depth = 1; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  throw new SyntaxError(`Cannot expand a loop: its closing brace is missing`);
}
