export * from './follow-runs.ts';
export * from './mlflow.tracker.ts';
export * from './tensorboard.tracker.ts';
export * from './tracker.ts';
