import 'reflect-metadata';
import { startWorker } from '@solopo/worker';
import { RewardModule } from './reward.module.ts';

await startWorker('reward', RewardModule, { rpc: true });
