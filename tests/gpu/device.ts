/** The one device of a test process. Without an adapter the GPU tests fail, and the error says what to install. */
import { Device } from "../../src/gpu/device.ts";

let opened: Promise<Device> | undefined;

/** Opens the adapter once and keeps it: Deno cannot reliably re-open a device. */
export function testDevice(): Promise<Device> {
  return opened ??= Device.open();
}

/** Options of a test that leaves the shared device open. */
export const sharesDevice = { sanitizeOps: false, sanitizeResources: false };
