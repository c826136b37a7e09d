// Ready at once, or after a delay; writes down when it is told to stop, which needs a Postgres that still runs.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { happened } from './happened.mjs';

await sleep(Number(process.env.SOLOPO_FAKE_GATEWAY_DELAY_MS ?? 0));
const server = createServer((_request, response) => response.end('ok'));
server.listen(Number(process.env.SOLOPO_HTTP_PORT), process.env.SOLOPO_HTTP_HOST);
console.log(JSON.stringify({ level: 30, msg: 'gateway listens' }));
process.on('SIGTERM', async () => {
  await happened('gateway stopped');
  process.exit(0);
});
