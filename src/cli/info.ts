import { Device } from "../gpu/device.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";

const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/** Names of the Vulkan drivers that Linux would load; WebGPU itself does not tell which one it took. */
function vulkanDrivers(): string[] {
  const chosen = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  if (chosen) return chosen.split(":");
  return driverFolders.flatMap((folder) => {
    try {
      return Array.from(Deno.readDirSync(folder), ({ name }) => name.replace(/\.json$/, ""));
    } catch {
      return [];
    }
  }).sort();
}

/** `superbatch info`. */
export async function info({ json }: InvocationOf<"info">): Promise<number> {
  using device = await Device.open();
  const backend = Deno.env.get("DENO_WEBGPU_BACKEND") ?? "chosen by the system";
  const drivers = Deno.build.os === "linux" ? vulkanDrivers() : [];
  if (json) {
    console.log(JSON.stringify({ ...device.adapter, backend, drivers, deno: Deno.version.deno }));
    return ExitCode.ok;
  }
  const { description, vendor, features, limits } = device.adapter;
  const row = (name: string, value: string) => console.log(`${name.padEnd(36)} ${value}`);
  row("adapter", description);
  row("vendor", vendor);
  row("backend", backend);
  if (drivers.length > 0) row("Vulkan drivers installed", drivers.join(", "));
  row("runtime", `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}`);
  row("features", features.join(", ") || "none");
  for (const [name, value] of Object.entries(limits)) row(name, value.toLocaleString("en"));
  return ExitCode.ok;
}
