export { adapterName, writeAdapter, type PolicyAdapter } from './adapter.ts';
export {
  adapterAgreement,
  demandAdapter,
  demandModel,
  distance,
  TOLERANCE,
  type AdapterAgreement,
  type Measured,
} from './agreement.ts';
export type { AnswerText } from './read-answer.ts';
export {
  samplerFingerprint,
  SamplingServer,
  type SampleLimits,
  type SamplerFacts,
  type ServedAnswers,
} from './sampling-server.ts';
export type { ServedModel, ServerInfo } from './server-info.ts';
export { samplersSchema, samplerSettingsSchema, settingsOf, type SamplerSettings } from './settings.ts';
