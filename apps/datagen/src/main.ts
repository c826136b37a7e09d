import 'reflect-metadata';
import { startWorker } from '@solopo/worker';
import { DatagenModule } from './datagen.module.ts';

await startWorker('datagen', DatagenModule);
