import 'reflect-metadata';
import { startWorker } from '@solopo/worker';
import { RewardModule, TorchRewardModule } from './reward.module.ts';

await startWorker('reward', RewardModule, { rpc: true, withTorch: TorchRewardModule });
