#!/bin/sh
# undici 7.30.2, which is fetch of Node 24.22.3: with a body that is streamed (an async iterable, duplex: 'half') it takes chunks no faster
# than the server does, and yet lets go of none until the end of the request. An upload of a gigabyte needs a gigabyte. undici 8.13.1 lets go
# of them, and so does node:http's request, given the same chunks by a pipeline.
#
# Seen, MiB of array buffers after 390 of 400 chunks of 1 MiB and three garbage collections: fetch of 7.30.2 391, of 8.13.1 1,
# node:http 1.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > upload.mjs <<'JS'
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';

const [way] = process.argv.slice(2);
const server = createServer(async (incoming, answer) => {
  for await (const _ of incoming);
  answer.end('taken');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;
async function* chunks() {
  for (let i = 0; i < 400; i++) {
    if (i === 390) await measure();
    yield await Promise.resolve(Buffer.alloc(1 << 20, 1));
  }
}
let kept;
async function measure() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  kept = Math.round(process.memoryUsage().arrayBuffers / 2 ** 20);
}
async function upload() {
  if (way === 'http') {
    const outgoing = request(url, { method: 'POST' });
    const answered = once(outgoing, 'response');
    await pipeline(chunks(), outgoing);
    const [answer] = await answered;
    return answer.setEncoding('utf8').toArray().then((parts) => parts.join(''));
  }
  const { fetch } = await import('undici');
  return (await fetch(url, { method: 'POST', body: chunks(), duplex: 'half' })).text();
}
if ((await upload()) !== 'taken') throw new Error('not taken');
console.log(kept);
process.exit();
JS
npm init -y > /dev/null
install() { npm install --silent --no-audit --no-fund "undici@$1" > /dev/null 2>&1; }
kept() { node --expose-gc upload.mjs "$1"; }
install 7.30.2
old=$(kept fetch)
install 8.13.1
new=$(kept fetch)
http=$(kept http)
echo "MiB kept of 400: fetch of undici 7.30.2 $old, of 8.13.1 $new; node:http $http"
[ "$old" -ge 390 ] && [ "$new" -le 40 ] && [ "$http" -le 40 ] || { echo changed; exit 1; }
