export * from './function-spec.ts';
export * from './functions.manifest.ts';
export * from './functions.ts';
