// node deploy/assemble.mjs FOLDER: what an image needs of a built workspace whose development dependencies are gone.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { arch } from 'node:process';
import { dirname, join, relative } from 'node:path';

const ROOT = dirname(import.meta.dirname);
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('Name the folder to assemble into: node deploy/assemble.mjs FOLDER.');

const APPS = ['gateway', 'datagen', 'reward', 'trainer', 'migrator', 'cli'];
/** Beside what is compiled. */
const FILES = [
  'LICENSE',
  'apps/gateway/web',
  'data/models/retrieval-144k',
  'deploy/healthcheck.mjs',
  'deploy/round-trip.mjs',
  'docs/runbooks',
];

const manifest = (folder) => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));

/** The projects of the apps and of all libraries that these need. */
function projects() {
  const found = new Set(APPS.map((app) => `apps/${app}`));
  for (const folder of found)
    for (const name of Object.keys(manifest(folder).dependencies ?? {}))
      if (name.startsWith('@solopo/')) found.add(`libs/${name.slice('@solopo/'.length)}`);
  return [...found];
}

const copy = (path, filter = () => true) => cpSync(join(ROOT, path), join(target, path), { recursive: true, filter });
const runs = (path) =>
  !/\.(test|fixture|fake)\.|\.d\.ts(\.map)?$|\.tsbuildinfo$|\/(testing|fakes|fixtures)\//.test(path);
const needed = (path) =>
  !/\.d\.[cm]?ts(\.map)?$|\.(js|mjs|cjs)\.map$|\/node_modules\/(\.bin|@solopo|@types)(\/|$)/.test(path);

mkdirSync(target, { recursive: true });
for (const folder of projects()) {
  copy(`${folder}/package.json`);
  copy(`${folder}/dist`, runs);
  if (existsSync(join(ROOT, folder, 'node_modules'))) copy(`${folder}/node_modules`, needed);
  const link = join(target, 'node_modules/@solopo', folder.split('/')[1]);
  if (!folder.startsWith('libs/')) continue;
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(relative(dirname(link), join(target, folder)), link);
}
// npm keeps the optional packages of development dependencies.
copy('node_modules', (path) => needed(path) && !/\/node_modules\/@(rolldown|oxc-project)(\/|$)/.test(path));
for (const path of FILES) copy(path);

// onnxruntime-node carries the binaries of every platform.
const binaries = join(target, 'node_modules/onnxruntime-node/bin');
for (const api of readdirSync(binaries))
  for (const platform of readdirSync(join(binaries, api)))
    for (const architecture of readdirSync(join(binaries, api, platform)))
      if (platform !== process.platform || architecture !== arch)
        rmSync(join(binaries, api, platform, architecture), { recursive: true });

// So does tokenizers: for each, one file in its folder, named by platform, architecture and C library.
const tokenizers = join(target, 'node_modules/tokenizers');
for (const file of readdirSync(tokenizers))
  if (file.endsWith('.node') && !file.startsWith(`tokenizers.${process.platform}-${arch}`))
    rmSync(join(tokenizers, file));
