import { Module } from '@nestjs/common';
import { WorkerModule } from '@solopo/worker';
import { AlignPolicy } from './functions/align-policy.ts';
import { ScorePairs } from './functions/score-pairs.ts';
import { HeldOutContexts } from './held-out-contexts.ts';
import { InspectController } from './inspect.controller.ts';
import { InspectTorchController } from './inspect-torch.controller.ts';
import { InspectPair } from './inspect-pair.ts';
import { JobsController } from './jobs.controller.ts';
import { ScoreController } from './score.controller.ts';
import { ScoreResponses } from './score-responses.ts';

@Module({
  imports: [WorkerModule.forRoot('reward')],
  controllers: [JobsController, ScoreController, InspectController],
  providers: [ScorePairs, AlignPolicy, HeldOutContexts, ScoreResponses, InspectPair],
  exports: [InspectPair],
})
export class RewardModule {}

@Module({ imports: [RewardModule], controllers: [InspectTorchController] })
export class TorchRewardModule {}
