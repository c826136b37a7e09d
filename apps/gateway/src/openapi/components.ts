import {
  alignmentViewSchema,
  artifactViewSchema,
  collectGarbageSchema,
  contextViewSchema,
  garbageSchema,
  createModelSchema,
  createReplaySchema,
  createTokenSchema,
  datasetViewSchema,
  createStatementSchema,
  deadLetterViewSchema,
  engineViewSchema,
  envelopeSchema,
  evaluationViewSchema,
  eventSchema,
  evidencePlacesSchema,
  functionViewSchema,
  inspectedResponseSchema,
  inspectionSchema,
  issuedTokenSchema,
  modelDetailsSchema,
  modelViewSchema,
  pairDetailsSchema,
  pairViewSchema,
  policyManifestSchema,
  PRESETS,
  problemSchema,
  replayedSliceSchema,
  replayViewSchema,
  responseViewSchema,
  retriedSchema,
  runConfigSchema,
  runSummarySchema,
  runViewSchema,
  signingKeyViewSchema,
  stageViewSchema,
  sequencedEventSchema,
  sliceViewSchema,
  stepViewSchema,
  streamViewSchema,
  systemViewSchema,
  tokenViewSchema,
  verificationSchema,
  workerViewSchema,
} from '@solopo/contracts';
import { z } from 'zod';

type JsonSchema = Record<string, unknown>;
type Direction = 'input' | 'output';

/** What has a name in the document. */
const COMPONENTS: Readonly<Record<Direction, Readonly<Record<string, z.ZodType>>>> = {
  input: {
    GarbageCollection: collectGarbageSchema,
    NewModel: createModelSchema,
    NewReplay: createReplaySchema,
    NewRun: runConfigSchema,
    NewStatement: createStatementSchema,
    NewToken: createTokenSchema,
  },
  output: {
    Alignment: alignmentViewSchema,
    Artifact: artifactViewSchema,
    Context: contextViewSchema,
    Dataset: datasetViewSchema,
    DeadLetter: deadLetterViewSchema,
    Engine: engineViewSchema,
    Envelope: envelopeSchema,
    Evaluation: evaluationViewSchema,
    EvidencePlaces: evidencePlacesSchema,
    Function: functionViewSchema,
    Garbage: garbageSchema,
    InspectedResponse: inspectedResponseSchema,
    Inspection: inspectionSchema,
    IssuedToken: issuedTokenSchema,
    Model: modelViewSchema,
    ModelDetails: modelDetailsSchema,
    Pair: pairViewSchema,
    PairDetails: pairDetailsSchema,
    PolicyManifest: policyManifestSchema,
    Problem: problemSchema,
    RecentEvent: sequencedEventSchema,
    Replay: replayViewSchema,
    ReplayedSlice: replayedSliceSchema,
    Response: responseViewSchema,
    Retried: retriedSchema,
    Run: runViewSchema,
    RunConfig: runConfigSchema,
    RunEvent: eventSchema,
    RunSummary: runSummarySchema,
    SigningKey: signingKeyViewSchema,
    Slice: sliceViewSchema,
    Stage: stageViewSchema,
    Step: stepViewSchema,
    Stream: streamViewSchema,
    System: systemViewSchema,
    Token: tokenViewSchema,
    Verification: verificationSchema,
    Worker: workerViewSchema,
  },
};

export function components(): JsonSchema {
  const { NewRun, ...inputs } = named('input');
  return { ...inputs, NewRun: withPreset(NewRun as JsonSchema), ...named('output') };
}

/** A schema in its place: a reference where it has a name. */
export function schemaOf(schema: z.ZodType, io: Direction): JsonSchema {
  const name = Object.entries(COMPONENTS[io]).find(([, component]) => component === schema)?.[0];
  if (name !== undefined) return { $ref: refTo(name) };
  if (schema instanceof z.ZodArray) return { type: 'array', items: schemaOf(schema.element as z.ZodType, io) };
  return plain(z.toJSONSchema(schema, { override: tidy, io }));
}

function named(io: Direction): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(COMPONENTS[io])) registry.add(schema, { id });
  const override = io === 'input' ? tidy : open;
  const { schemas } = z.toJSONSchema(registry, { override, io, uri: refTo });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema)]));
}

function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** A run's preset is gone when the schema proper comes to see it. */
function withPreset({ properties, ...schema }: JsonSchema): JsonSchema {
  const preset = { type: 'string', enum: Object.keys(PRESETS), default: 'default' };
  return { ...schema, properties: { preset, ...(properties as object) } };
}

function tidy({ jsonSchema }: { readonly jsonSchema: JsonSchema }): void {
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum'];
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum'];
  // Every key of a JSON object is a string.
  delete jsonSchema['propertyNames'];
}

/** Answers may bring more one day; clients leave it aside. */
function open(place: { readonly jsonSchema: JsonSchema }): void {
  tidy(place);
  if (place.jsonSchema['additionalProperties'] === false) delete place.jsonSchema['additionalProperties'];
}

function plain({ $schema: _schema, $id: _id, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
