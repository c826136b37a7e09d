// Packs what a bare Linux x64 machine needs to run the report: Node, the engine's built code, its dependencies, a Vulkan loader.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(HERE));
const MAX_BYTES = 64 * 2 ** 20;
const TOOLS = ['report.mjs', 'measure.mjs', 'block.mjs', 'models.mjs', 'cases.mjs', 'torch_figures.py'];
const LIBRARIES = ['libvulkan.so.1', 'libstdc++.so.6', 'libgcc_s.so.1'];

export async function pack(args) {
  const { values } = parseArgs({
    args,
    options: { out: { type: 'string', default: join(ROOT, '.solopo', 'solopo-gpu.tar.gz') } },
  });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('the bundle is for Linux x64, and is made there');
  const staging = mkdtempSync(join(tmpdir(), 'solopo-gpu-'));
  try {
    const bundle = join(staging, 'solopo-gpu');
    mkdirSync(join(bundle, 'bin'), { recursive: true });
    copyFileSync(process.execPath, join(bundle, 'bin', 'node'));
    // Symbols are a sixth of it.
    spawnSync('strip', [join(bundle, 'bin', 'node')]);
    for (const tool of TOOLS) copyFileSync(join(HERE, tool), join(bundle, tool));
    for (const name of closureOf('@solopo/lm')) copyPackage(name, join(bundle, 'node_modules', name));
    copyLibraries(join(bundle, 'lib'));
    mkdirSync(join(bundle, 'icd'));
    for (const [file, library] of [
      ['nvidia-glx.json', 'libGLX_nvidia.so.0'],
      ['nvidia-egl.json', 'libEGL_nvidia.so.0'],
    ])
      writeFileSync(
        join(bundle, 'icd', file),
        JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } }),
      );
    writeFileSync(join(bundle, 'run'), RUN);
    chmodSync(join(bundle, 'run'), 0o755);
    writeFileSync(join(bundle, 'main.mjs'), MAIN);
    mkdirSync(dirname(values.out), { recursive: true });
    const { status, stderr } = spawnSync('tar', ['-C', staging, '-czf', values.out, 'solopo-gpu'], {
      encoding: 'utf8',
      env: { ...process.env, GZIP: '-9' },
    });
    if (status !== 0) throw new Error(`tar failed: ${stderr}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const { size } = statSync(values.out);
  console.log(
    `${values.out}: ${(size / 2 ** 20).toFixed(1)} MiB. On the machine: tar xzf solopo-gpu.tar.gz && solopo-gpu/run`,
  );
  if (size <= MAX_BYTES) return 0;
  console.error(`the bundle is over ${MAX_BYTES / 2 ** 20} MiB; leave something out of tools/gpu/pack.mjs`);
  return 1;
}

const RUN = `#!/bin/sh
# Runs the report; options as docs/gpu.md says. The result is gpu-report.json in the folder where it is called.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# The system's own libraries come first: the driver was made for them.
missing=
for library in libvulkan.so.1 libstdc++.so.6 libgcc_s.so.1; do
  found=
  for folder in /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib64 /usr/lib64 /usr/lib; do
    [ -e "$folder/$library" ] && found=yes
  done
  [ -n "$found" ] || missing="$missing $library"
done
if [ -n "$missing" ]; then
  mkdir -p "$here/use"
  for library in $missing; do cp "$here/lib/$library" "$here/use/"; done
  LD_LIBRARY_PATH=\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/use
  export LD_LIBRARY_PATH
fi
exec "$here/bin/node" "$here/main.mjs" "$@"
`;

const MAIN = `import { report } from './report.mjs';
process.exitCode = await report(process.argv.slice(2));
`;

/** A package and all that it needs to run. */
function closureOf(name, known = new Set()) {
  if (known.has(name)) return known;
  known.add(name);
  const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies))
    if (existsSync(join(ROOT, 'node_modules', dependency))) closureOf(dependency, known);
  return known;
}

function copyPackage(name, target) {
  const source = realpathSync(join(ROOT, 'node_modules', name));
  const own = name.startsWith('@solopo/');
  cpSync(source, target, {
    recursive: true,
    dereference: true,
    filter: (path) => {
      const inside = path.slice(source.length + 1);
      if (own)
        return (
          inside === '' ||
          inside === 'package.json' ||
          (/^dist($|\/)/.test(inside) && !/\.(map|d\.ts|tsbuildinfo)$|\.test\.js$/.test(inside))
        );
      if (/\.(map|md|markdown|d\.ts|d\.mts|d\.cts|ts)$/i.test(inside)) return false;
      // onnxruntime-node brings every platform's library.
      const platform = /bin\/napi-v\d+\/(\w+)(?:\/(\w+))?/.exec(inside);
      return !platform || (platform[1] === 'linux' && (platform[2] === undefined || platform[2] === 'x64'));
    },
  });
}

function copyLibraries(target) {
  mkdirSync(target);
  const folders = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/lib64'];
  for (const library of LIBRARIES) {
    const found = folders.map((folder) => join(folder, library)).find(existsSync);
    if (!found) throw new Error(`${library} is not on this machine: apt-get install libvulkan1 libstdc++6`);
    copyFileSync(realpathSync(found), join(target, library));
  }
  for (const name of readdirSync(target)) chmodSync(join(target, name), 0o755);
}
