import type { Lax } from './api.paths.ts';
import type { components } from './api.types.ts';

type Schemas = components['schemas'];

export type AlignmentView = Schemas['Alignment'];
export type DatasetView = Schemas['Dataset'];
export type DeadLetterView = Schemas['DeadLetter'];
export type EvaluationView = Schemas['Evaluation'];
export type IssuedToken = Schemas['IssuedToken'];
export type ModelDetails = Schemas['ModelDetails'];
export type ModelView = Schemas['Model'];
export type NewRun = Lax<Schemas['NewRun']>;
export type NewToken = Lax<Schemas['NewToken']>;
export type PairView = Schemas['Pair'];
export type PolicyManifest = Schemas['PolicyManifest'];
export type ReplayedSlice = Schemas['ReplayedSlice'];
export type ReplayView = Schemas['Replay'];
export type Retried = Schemas['Retried'];
export type RunEvent = Schemas['RunEvent'];
export type RunSummary = Schemas['RunSummary'];
export type RunView = Schemas['Run'];
export type Garbage = Schemas['Garbage'];
export type Envelope = Schemas['Envelope'];
export type SigningKey = Schemas['SigningKey'];
export type StageView = Schemas['Stage'];
export type StepView = Schemas['Step'];
export type TokenView = Schemas['Token'];
export type Verification = Schemas['Verification'];
