import { Module } from '@nestjs/common';
import { WorkerModule } from '@solopo/worker';
import { Answers } from './answers/answers.ts';
import { SamplingServers } from './answers/sampling-servers.ts';
import { ServerCheck } from './answers/server-check.ts';
import { Composer } from './composer/composer.ts';
import { ComposeContexts } from './functions/compose-contexts.ts';
import { EvaluatePolicy } from './functions/evaluate-policy.ts';
import { PairResponses } from './functions/pair-responses.ts';
import { SampleResponses } from './functions/sample-responses.ts';
import { Datasets } from './datasets.ts';
import { JobsController } from './jobs.controller.ts';

@Module({
  imports: [WorkerModule.forRoot('datagen')],
  controllers: [JobsController],
  providers: [
    ComposeContexts,
    SampleResponses,
    PairResponses,
    EvaluatePolicy,
    Answers,
    SamplingServers,
    ServerCheck,
    Composer,
    Datasets,
  ],
})
export class DatagenModule {}
