import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';
import { isInstalled } from './bootstrap/dependencies.mjs';
import { ROOT } from './bootstrap/run.mjs';
import { BOUNDARIES, constraints } from './boundaries.mjs';

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly nx?: { readonly tags?: readonly string[] };
}

interface Lock {
  readonly packages: Record<
    string,
    { readonly version?: string; readonly optionalDependencies?: Record<string, string> }
  >;
}

const json = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

const projects = ['apps', 'libs'].flatMap((kind) =>
  readdirSync(join(ROOT, kind))
    .filter((name) => existsSync(join(ROOT, kind, name, 'package.json')))
    .map((name) => ({ kind: kind.slice(0, -1), name, folder: `${kind}/${name}` })),
);

const apps = projects.filter(({ kind }) => kind === 'app').map(({ name }) => name);

describe('every project', () => {
  it.each(projects)(
    '$folder has its tags, its row of boundaries and its place in the build',
    ({ kind, name, folder }) => {
      expect((json(`${folder}/package.json`) as Manifest).nx?.tags).toEqual([`type:${kind}`, `scope:${name}`]);
      expect(Object.keys(BOUNDARIES)).toContain(name);
      expect((json('tsconfig.json') as { references: { path: string }[] }).references).toContainEqual({ path: folder });
    },
  );

  it.each(projects)('$folder depends on what its row allows', ({ name, folder }) => {
    const { dependencies = {} } = json(`${folder}/package.json`) as Manifest;
    const ours = Object.keys(dependencies).filter((dependency) => dependency.startsWith('@solopo/'));
    expect(BOUNDARIES[name]?.map((allowed) => `@solopo/${allowed}`)).toEqual(expect.arrayContaining(ours));
  });
});

describe('the boundaries', () => {
  it('name projects that exist, one by one, and no app', () => {
    const known = projects.map((project) => project.name);
    expect(Object.keys(BOUNDARIES).toSorted()).toEqual(known.toSorted());
    for (const { sourceTag, onlyDependOnLibsWithTags } of [
      ...constraints({ tests: false }),
      ...constraints({ tests: true }),
    ]) {
      for (const tag of [sourceTag, ...onlyDependOnLibsWithTags]) expect(tag).toMatch(/^scope:[a-z0-9-]+$/);
      const targets = onlyDependOnLibsWithTags.map((tag) => tag.slice('scope:'.length));
      expect(known).toEqual(expect.arrayContaining(targets));
      expect(targets.filter((target) => apps.includes(target))).toEqual([]);
    }
  });

  it('are lint errors', async () => {
    const eslint = new ESLint({ cwd: ROOT });
    const lint = async (file: string, source: string) => {
      const [result] = await eslint.lintText(source, { filePath: join(ROOT, file) });
      return result?.messages.map((message) => message.ruleId);
    };
    const boundary = '@nx/enforce-module-boundaries';
    expect(await lint('libs/objectives/src/index.ts', "export * from '@solopo/contracts';\n")).toEqual([boundary]);
    expect(await lint('libs/pipeline/src/index.ts', "export * from '@solopo/contracts';\n")).toEqual([]);
    expect(await lint('libs/pipeline/src/index.ts', "export * from 'kysely';\n")).toEqual([boundary]);
    expect(await lint('libs/contracts/src/index.ts', "export * from '@solopo/testing';\n")).toEqual([boundary]);
  });
});

/** What the programs of tools/, which no compiler reads, take by name from the projects: `{ a, b as c }` and where from. */
function imported(file: string): { readonly from: string; readonly names: readonly string[] }[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  return [...source.matchAll(/^import \{([^}]*)\} from '([^']+)';/gm)].map(([, list = '', from = '']) => ({
    from: from.startsWith('.') ? pathToFileURL(join(ROOT, dirname(file), from)).href : from,
    names: list.split(',').flatMap((name) => name.trim().split(' ')[0] || []),
  }));
}

describe('the programs of tools/', () => {
  const programs = globSync('tools/**/*.mjs', { cwd: ROOT }).filter((file) => !file.includes('node_modules'));
  const imports = programs.flatMap((file) => imported(file).map((each) => ({ file, ...each })));
  const ours = imports.filter(({ from }) => from.startsWith('@solopo/') || /\/(apps|libs)\//.test(from));

  it('name nothing that a project no longer exports', async () => {
    expect(ours.length).toBeGreaterThan(20);
    const missing = await Promise.all(
      ours.map(async ({ file, from, names }) => {
        const exported = (await import(/* @vite-ignore */ from)) as Record<string, unknown>;
        return names.filter((name) => !(name in exported)).map((name) => `${file}: ${name} of ${from}`);
      }),
    );
    expect(missing.flat()).toEqual([]);
  });
});

describe('the lock file', () => {
  const lock = json('package-lock.json') as Lock;

  it('holds every optional dependency it names, so that npm ci accepts it', () => {
    const held = new Set(
      Object.keys(lock.packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)),
    );
    const named = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !held.has(name))).toEqual([]);
  });

  it('counts as installed only when every package that is not optional has its version', () => {
    const locked = {
      packages: {
        '': {},
        'libs/a': {},
        'node_modules/b': { version: '1.0.0' },
        'node_modules/c': { version: '2.0.0', optional: true },
      },
    };
    expect(isInstalled(locked, undefined)).toBe(false);
    expect(isInstalled(locked, { packages: { 'node_modules/b': { version: '1.0.0' } } })).toBe(true);
    expect(isInstalled(locked, { packages: { 'node_modules/b': { version: '1.0.1' } } })).toBe(false);
    expect(isInstalled(locked, { packages: { 'node_modules/c': { version: '2.0.0' } } })).toBe(false);
  });
});
