// Compiles every shader in Chromium, whose compiler refuses what Deno's accepts (barriers in non-uniform control flow).
//   node .ci/check_shaders.mjs shaders.json PATH_OF_CHROMIUM
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [file, executablePath] = process.argv.slice(2);
const shaders = JSON.parse(readFileSync(file, "utf8"));
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
  ],
});
const page = await browser.newPage();
await page.goto("about:blank");
await page.goto("file:///dev/null"); // a page of its own: WebGPU wants a secure one
const messages = await page.evaluate(async (shaders) => {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return ["no WebGPU adapter in this browser"];
  const requiredFeatures = ["subgroups"].filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredFeatures });
  const found = [];
  for (const { name, source, entries } of shaders) {
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: source });
    for (const { type, lineNum, message } of (await module.getCompilationInfo()).messages) {
      found.push(`${name}:${lineNum}: ${type}: ${message}`);
    }
    for (const entryPoint of entries) device.createComputePipeline({ layout: "auto", compute: { module, entryPoint } });
    const error = await device.popErrorScope();
    if (error) found.push(`${name}: ${error.message}`);
  }
  return found;
}, shaders);
await browser.close();
for (const message of messages) console.error(message);
console.log(`${shaders.length} shaders compiled in Chromium, ${messages.length} messages`);
process.exit(messages.length === 0 ? 0 : 1);
