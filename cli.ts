/**
 * The command line of superbatch: `deno run -P cli.ts train`, or `./superbatch train` on a fresh machine.
 *
 * @module
 */

import { message } from "@optique/core/message";
import { run } from "@optique/run";
import { commandLine, type Invocation } from "./src/cli/command_line.ts";
import { ExitCode, printError } from "./src/cli/errors.ts";
import configuration from "./deno.json" with { type: "json" };

/** Each command loads only what it needs, so that help is quick. */
async function execute(invocation: Invocation): Promise<number> {
  switch (invocation.action) {
    case "train":
      return await (await import("./src/cli/train.ts")).train(invocation);
    case "plan":
      return await (await import("./src/cli/plan.ts")).plan(invocation);
    case "eval":
      return await (await import("./src/cli/eval.ts")).evaluateRun(invocation);
    case "embed":
      return await (await import("./src/cli/embed.ts")).embed(invocation);
    case "search":
      return await (await import("./src/cli/search.ts")).search(invocation);
    case "import":
      return await (await import("./src/cli/import.ts")).importWeights(invocation);
    case "export":
      return await (await import("./src/cli/export.ts")).exportWeights(invocation);
    case "select":
      return await (await import("./src/cli/select.ts")).select(invocation);
    case "curate":
      return await (await import("./src/cli/curate.ts")).curate(invocation);
    case "score":
      return await (await import("./src/cli/score.ts")).score(invocation);
    case "reproduce":
      return await (await import("./src/cli/reproduce.ts")).reproduce(invocation);
    case "tune":
      return await (await import("./src/cli/tune.ts")).tune(invocation);
    case "profile":
      return await (await import("./src/cli/profile.ts")).profile(invocation);
    case "inspect":
      return await (await import("./src/cli/inspect.ts")).inspect(invocation);
    case "doctor":
      return await (await import("./src/cli/doctor.ts")).doctor(invocation);
    case "info":
      return await (await import("./src/cli/info.ts")).info(invocation);
    case "test":
      return await (await import("./src/cli/test.ts")).test(invocation);
  }
}

if (import.meta.main) {
  const invocation = run(commandLine(Deno.args), {
    programName: "superbatch",
    args: Deno.args,
    help: { command: true, option: { names: ["-h", "--help"] } },
    version: { value: configuration.version, option: { names: ["-V", "--version"] } },
    showChoices: { prefix: " One of ", label: "", suffix: "." },
    completion: "command",
    aboveError: "none",
    errorExitCode: ExitCode.usage,
    usageLine: [{ type: "command", name: "COMMAND" }, { type: "literal", value: "[OPTIONS]" }],
    brief: message`superbatch trains image–text models on any GPU and selects the data while training.`,
    footer: message`Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted.`,
  });
  let code: number;
  try {
    code = await execute(invocation);
  } catch (error) {
    code = printError(error);
  }
  Deno.exit(code);
}
