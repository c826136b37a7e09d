export * from './api.ts';
export * from './device.ts';
export * from './digest.ts';
export * from './errors.ts';
export * from './example.ts';
export * from './run-config.ts';
export * from './stages.ts';
export * from './views.ts';
