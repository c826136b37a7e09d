export { freePort } from './free-port.ts';
export * from './nats.server.ts';
export * from './pgbouncer.server.ts';
export * from './postgres.server.ts';
export * from './s3.server.ts';
export type { Exit, LocalServer } from './server.process.ts';
