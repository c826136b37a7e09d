export * from './child.ts';
export * from './nats.ts';
export * from './postgres.ts';
export * from './scratch.ts';
export * from './wait.ts';
export * from './vulkan.ts';
