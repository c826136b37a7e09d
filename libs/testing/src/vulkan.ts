import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';

/** Where Debian's chromium package and tools/gpu/software-driver.mjs put SwiftShader, a Vulkan driver in software. */
const SWIFTSHADER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  new URL('../../../.solopo/vulkan/usr/lib/chromium/vk_swiftshader_icd.json', import.meta.url).pathname,
];
const LOADERS = [
  '/usr/lib/x86_64-linux-gnu/libvulkan.so.1',
  '/usr/lib/aarch64-linux-gnu/libvulkan.so.1',
  '/usr/lib64/libvulkan.so.1',
  '/usr/lib/libvulkan.so.1',
];

/**
 * Makes this process, and those it starts, use the software Vulkan driver, unless the environment names a driver already.
 * Gives the reason where there is none.
 */
export function useSoftwareVulkan(): { readonly missing: string | null } {
  // Vulkan's window systems complain on the terminal where it is not set.
  process.env.XDG_RUNTIME_DIR ??= '/tmp';
  if (process.env.VK_DRIVER_FILES) return { missing: null };
  if (process.platform !== 'linux') return { missing: 'the software Vulkan driver is known on Linux only' };
  const driver = SWIFTSHADER.find(existsSync);
  if (!driver) return { missing: 'no software Vulkan driver: apt-get install chromium libvulkan1' };
  const searched = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).map((folder) => `${folder}/libvulkan.so.1`);
  if (![...LOADERS, ...searched].some(existsSync)) return { missing: 'no Vulkan loader: apt-get install libvulkan1' };
  process.env.VK_DRIVER_FILES = driver;
  return { missing: null };
}
