export * from './job.executor.ts';
export * from './job.function.ts';
export * from './job.progress.ts';
export * from './model.files.ts';
export * from './start-worker.ts';
export * from './temporary.folder.ts';
export * from './worker.config.ts';
export * from './worker.module.ts';
