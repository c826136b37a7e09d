import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Context } from './command-line/context.ts';
import { processTerminal } from './command-line/terminal.ts';
import { ran } from './command-line/terminal.fixture.ts';
import { commandTree } from './completion/command-tree.ts';
import { program } from './program.ts';

const TREE = commandTree(program(new Context(processTerminal)));
const GROUPS = TREE.filter(({ path, commands }) => path !== '' && commands.length > 0);
const LEAVES = TREE.filter(({ commands }) => commands.length === 0);
const DEMO_HELP = readFileSync(new URL('../../../tools/help/demo.txt', import.meta.url), 'utf8');
const DOCS = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

describe('every command', () => {
  it.each(LEAVES)('$path has examples in its help, and takes --json', async ({ path, options }) => {
    const { code, out, err } = await ran([...path.split(' '), '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`Usage: solopo ${path}`);
    expect(out).toMatch(new RegExp(`Examples:\\n  solopo ${path}`));
    expect(options.flatMap(({ flags }) => flags)).toContain('--json');
  });

  it.each(GROUPS)('$path tells in its help what it holds', async ({ path, commands }) => {
    const { code, out, err } = await ran([...path.split(' '), '--help']);
    expect([code, err]).toEqual([0, '']);
    for (const { name } of commands) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it('of the demo takes what ./solopo demo --help tells, which needs nothing installed', () => {
    const { options } = TREE.find(({ path }) => path === 'demo') ?? { options: [] };
    const own = options.filter(({ flags }) => !['--help', '--api', '--token'].some((flag) => flags.includes(flag)));
    expect(own.length).toBeGreaterThan(5);
    for (const { flags, choices } of own) {
      expect(DEMO_HELP).toMatch(new RegExp(`^  ${flags.at(-1)} `, 'm'));
      for (const choice of choices) expect(DEMO_HELP).toContain(choice);
    }
  });

  it.each(LEAVES)('$path is in docs/cli.md, with each of its options', ({ path, options }) => {
    expect(DOCS).toContain(`solopo ${path}`);
    const section = DOCS.slice(DOCS.indexOf(`solopo ${path}`));
    for (const flag of options.flatMap(({ flags }) => flags.filter((one) => one.startsWith('--') && one !== '--help')))
      expect(['--json', '--api', '--token'].includes(flag) ? DOCS : section).toContain(flag);
  });

  it('is all that docs/cli.md knows', () => {
    const known = new Set(TREE.map(({ path }) => path));
    const named = [...DOCS.matchAll(/^solopo ([a-z][a-z0-9-]*(?: [a-z][a-z0-9]*)?)/gm)].map(([, path = '']) => path);
    expect(named.filter((path) => !known.has(path) && !known.has(path.split(' ')[0] ?? ''))).toEqual([]);
  });
});

describe('a wrong command line', () => {
  it.each([
    [['runs', 'lst'], "unknown command 'lst' (Did you mean list?); solopo runs --help shows what it takes."],
    [['runs', 'list', '--all'], "unknown option '--all'; solopo runs list --help shows what it takes."],
    [['runs', 'list', '--limit', '0'], /'0' is invalid. Give a whole number, 1 to 1000; solopo runs list --help/],
    [['runs', 'list', '--state', 'lost'], /Allowed choices are running, succeeded, failed, cancelled/],
    [['runs', 'create'], /required option '-f, --file <file>' not specified/],
    [['runs', 'show'], /missing required argument 'run'/],
    [
      ['runs', 'list'],
      'There is no system to talk to; start one with ./solopo up, or name one with --api or SOLOPO_API.',
    ],
    [
      ['runs', 'list', '--api', 'localhost:8080'],
      'localhost:8080 is no address; name one such as http://127.0.0.1:8080.',
    ],
    [['demo', '--corpus', 'wikipedia'], /Allowed choices are retrieval, musique, hotpotqa, 2wiki/],
    [['demo', '--seed=1.5'], /Give a whole number, 0 to 4294967295/],
    [['runs'], /^Usage: solopo runs/],
  ])('%j ends with 2 and says what to do', async (args, message) => {
    const { code, out, err } = await ran(args);
    expect([code, out]).toEqual([2, '']);
    if (typeof message === 'string') expect(err).toBe(`solopo: ${message}`);
    else expect(err).toMatch(message);
  });

  it('with --json says it as JSON, and nothing on standard output', async () => {
    const { code, out, err } = await ran(['runs', 'list', '--json']);
    expect([code, out]).toEqual([2, '']);
    expect(JSON.parse(err)).toEqual({ error: { message: expect.stringContaining('SOLOPO_API') as string } });
  });
});
