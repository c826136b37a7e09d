export * from './chunks.ts';
export * from './next-stages.ts';
export * from './pair-counts.ts';
export * from './run-facts.ts';
export * from './stage-specs.ts';
export * from './step-batches.ts';
