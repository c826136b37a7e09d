import 'reflect-metadata';
import { startWorker } from '@solopo/worker';
import { TrainerModule } from './trainer.module.ts';

await startWorker('trainer', TrainerModule);
