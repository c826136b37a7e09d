export * from './spans.ts';
export * from './tracing.ts';
