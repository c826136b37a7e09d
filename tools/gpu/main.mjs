// npm run gpu -- nodes | report | pack | torch: see docs/gpu.md and, for torch, docs/torch.md
// Each is loaded when it is asked for: torch needs no build.
const COMMANDS = {
  nodes: async () => (await import('./nodes.mjs')).nodes,
  report: async () => (await import('./report.mjs')).report,
  pack: async () => (await import('./pack.mjs')).pack,
  torch: async () => (await import('./torch.mjs')).torch,
};
const [name, ...args] = process.argv.slice(2);
const load = COMMANDS[name];
if (!load) {
  console.error(`choose ${Object.keys(COMMANDS).join(', ')}; docs/gpu.md says what they do`);
  process.exitCode = 2;
} else {
  try {
    const command = await load();
    process.exitCode = await command(args);
  } catch (error) {
    console.error(`gpu ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
