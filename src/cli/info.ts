import { Device, NoAdapterError } from "../gpu/device.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode, printError } from "./errors.ts";

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

/** The device, or the reason why there is none. */
async function openDevice(): Promise<Device | NoAdapterError> {
  try {
    return await Device.open();
  } catch (error) {
    if (error instanceof NoAdapterError) return error;
    throw error;
  }
}

/**
 * `superbatch info`. Without an adapter it still tells what there is, and what to install, and fails: with `--json`
 * the adapter's fields are then absent and `adapter` is null.
 */
export async function info({ json }: InvocationOf<"info">): Promise<number> {
  const opened = await openDevice();
  using device = opened instanceof Device ? opened : null;
  const backend = Deno.env.get("DENO_WEBGPU_BACKEND") ?? "chosen by the system";
  const drivers = Deno.build.os === "linux" ? vulkanDrivers() : [];
  if (json) {
    const adapter = device?.adapter ?? { adapter: null };
    console.log(JSON.stringify({ ...adapter, backend, drivers, deno: Deno.version.deno }));
  } else {
    const row = (name: string, value: string) => console.log(`${name.padEnd(36)} ${value}`);
    row("adapter", device?.adapter.description ?? "none");
    if (device) row("vendor", device.adapter.vendor);
    row("backend", backend);
    if (Deno.build.os === "linux") row("Vulkan drivers installed", drivers.join(", ") || "none");
    row("runtime", `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}`);
    if (device) {
      row("features", device.adapter.features.join(", ") || "none");
      for (const [name, value] of Object.entries(device.adapter.limits)) {
        row(name, value.toLocaleString("en"));
      }
    }
  }
  return opened instanceof Device ? ExitCode.ok : printError(opened);
}
