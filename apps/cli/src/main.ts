import { processTerminal } from './command-line/terminal.ts';
import { run } from './run.ts';

// `solopo ... | head` has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2), processTerminal);
