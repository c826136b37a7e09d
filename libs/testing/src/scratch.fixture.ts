import { startNats } from './nats.ts';
import { startPostgres } from './postgres.ts';

const [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
process.stdout.write(`${JSON.stringify({ postgres: postgres.url, nats: nats.url })}\n`);
setInterval(() => undefined, 1000);
