export { chunkRange, sliceRange, stepsOf, type ChunkRange } from '@solopo/pipeline';
export { advanceRun, advanceRuns } from './advance-run.ts';
export { beginChunk, type BegunChunk, type Execution, type Executor } from './begin-chunk.ts';
export { cancelRun } from './cancel-run.ts';
export { completeChunk, type ChunkEnd, type ChunkOutcome } from './complete-chunk.ts';
export { failStage } from './fail-stage.ts';
export { emitEvents, eventSubjectOf, type EventType } from './run-events.ts';
export { retryDeadLetter } from './retry-dead-letter.ts';
export { startRun } from './start-run.ts';
