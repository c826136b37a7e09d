import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const PUBLIC_INDEX = 'https://pypi.org/simple/';

/**
 * Where Python packages come from on this machine, as pip has it: PIP_INDEX_URL, or else `index-url` of PIP_CONFIG_FILE, the virtual
 * environment's, the user's or the system's pip.conf, or else the public index.
 */
export async function packageIndex(env: Environment): Promise<string> {
  const given = env['PIP_INDEX_URL'] || (await configured(env)) || PUBLIC_INDEX;
  return given.endsWith('/') ? given : `${given}/`;
}

/** The last file that says something counts. */
async function configured(env: Environment): Promise<string | undefined> {
  let found: string | undefined;
  for (const file of configFiles(env)) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    found = (text === undefined ? undefined : indexUrl(text)) ?? found;
  }
  return found;
}

function configFiles(env: Environment): string[] {
  const named = env['PIP_CONFIG_FILE'];
  if (named === '/dev/null') return [];
  const home = env['HOME'] ?? homedir();
  const user = env['XDG_CONFIG_HOME'] || join(home, '.config');
  const ofMac = process.platform === 'darwin' ? [join(home, 'Library', 'Application Support', 'pip', 'pip.conf')] : [];
  return [
    ...(env['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':').map((folder) => join(folder, 'pip', 'pip.conf')),
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    join(user, 'pip', 'pip.conf'),
    ...ofMac,
    ...(env['VIRTUAL_ENV'] ? [join(env['VIRTUAL_ENV'], 'pip.conf')] : []),
    ...(named ? [named] : []),
  ];
}

/** Of the sections that concern downloads, the more particular one. */
function indexUrl(text: string): string | undefined {
  const bySection = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    const [, header] = /^\s*\[([^\]]+)\]\s*$/.exec(line) ?? [];
    if (header !== undefined) section = header.trim();
    const [, value] = /^\s*index[-_]url\s*[=:]\s*(\S+)\s*$/.exec(line) ?? [];
    if (value !== undefined) bySection.set(section, value);
  }
  return bySection.get('download') ?? bySection.get('install') ?? bySection.get('global');
}
