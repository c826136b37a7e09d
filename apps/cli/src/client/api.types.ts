// Generated from apps/gateway/openapi.json by npm run openapi.

export interface paths {
  readonly '/v1/models': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** All models */
    readonly get: operations['listModels'];
    readonly put?: never;
    /** Makes a model of artifacts: the files of a Hugging Face folder by their digests */
    readonly post: operations['registerModel'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/models/{nameOrDigest}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** A model by digest, or the latest of a name */
    readonly get: operations['showModel'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/datasets': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** All data sets */
    readonly get: operations['listDatasets'];
    readonly put?: never;
    /** Imports questions with their documents, as JSON lines or one JSON array; lines that cannot be read are reported */
    readonly post: operations['importDataset'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/datasets/{nameOrDigest}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** A data set by digest, or the latest of a name */
    readonly get: operations['showDataset'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Runs, latest first, with the short of their configurations */
    readonly get: operations['listRuns'];
    readonly put?: never;
    /** Starts a run */
    readonly post: operations['createRun'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** A run with its stages */
    readonly get: operations['showRun'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/cancel': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    /** Ends a running run */
    readonly post: operations['cancelRun'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/steps': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Gradient steps with their metrics, in order */
    readonly get: operations['listSteps'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/slices': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** How long each slice of training took */
    readonly get: operations['listSlices'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/alignments': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Metrics of each policy version on the held-out pairs */
    readonly get: operations['listAlignments'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/evaluations': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Accuracy by context length, of the base model and of the policy */
    readonly get: operations['listEvaluations'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/evaluations/places': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Where the evidence of each evaluated question stood, by context length */
    readonly get: operations['listEvidencePlaces'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/pairs': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Preference pairs in data-set order; none before the run has come to them */
    readonly get: operations['listPairs'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/pairs/{digest}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** A pair with both prompts, their evidence marked */
    readonly get: operations['showPair'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/pairs/{digest}/inspection': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Log-probabilities and attention of a policy version on a pair, computed by a reward worker; 503 while none is up */
    readonly get: operations['inspectPair'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/pairs.jsonl': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Preference pairs as other trainers read them, by ordinal */
    readonly get: operations['exportPairs'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/policy': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** The files of a policy version: a Hugging Face model folder, or a PEFT adapter folder */
    readonly get: operations['describePolicy'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/verify': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Recomputes the chain of step digests from the rows of the ledger; names what was altered, lost or swapped */
    readonly get: operations['verifyRun'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/replays': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Replays of the run, latest first */
    readonly get: operations['listReplays'];
    readonly put?: never;
    /** Has a trainer take random slices of the run once more, from their checkpoints; nothing of the run changes */
    readonly post: operations['createReplay'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/replays/{replay}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Whether slices that were taken once more came to what was recorded */
    readonly get: operations['showReplay'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/signing-key': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** The public key that exports' statements are signed with */
    readonly get: operations['showSigningKey'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/policy/statement': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    /** Signs what a merged policy was made of; files that are neither of the base nor of the adapter are marked as declared by the caller */
    readonly post: operations['stateMergedPolicy'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/runs/{id}/events': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** What happens to a run, live: `data` is a RunEvent. Reconnecting clients miss nothing */
    readonly get: operations['streamEvents'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/events': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** What happens to all runs, live */
    readonly get: operations['streamAllEvents'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/events/recent': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** What happened lately, latest first; at most a day is kept */
    readonly get: operations['listRecentEvents'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/artifacts': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    /** Keeps bytes under their SHA-256 */
    readonly post: operations['storeArtifact'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/artifacts/gc': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    /** Removes artifacts that nothing refers to; without `dryRun: false` it says how many there are */
    readonly post: operations['collectGarbage'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/artifacts/{digest}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** The bytes of an artifact */
    readonly get: operations['readArtifact'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    /** Whether the artifact is there, and its size as Content-Length */
    readonly head: operations['describeArtifact'];
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/ledger/counts': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Rows in each table of evidence */
    readonly get: operations['countLedger'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/dead-letters': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Jobs that were given up, latest first */
    readonly get: operations['listDeadLetters'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/dead-letters/{id}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** A job that was given up */
    readonly get: operations['showDeadLetter'];
    readonly put?: never;
    readonly post?: never;
    /** Deletes the letter; what failed with it stays failed */
    readonly delete: operations['discardDeadLetter'];
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/dead-letters/{id}/retry': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    /** Sets the runs going again that failed because of the letter */
    readonly post: operations['retryDeadLetter'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/system': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Functions with their queues, streams, workers of the last day, and engines that took gradient steps */
    readonly get: operations['describeSystem'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/tokens': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** All tokens, also revoked ones, without the secrets */
    readonly get: operations['listTokens'];
    readonly put?: never;
    /** A new token, which is shown this once */
    readonly post: operations['issueToken'];
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/tokens/{name}': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly get?: never;
    readonly put?: never;
    readonly post?: never;
    /** From now on the token is refused */
    readonly delete: operations['revokeToken'];
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/v1/openapi.json': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** This document */
    readonly get: operations['describeApi'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    readonly GarbageCollection: {
      /** @default true */
      readonly dryRun?: boolean;
      /**
       * @description What was stored later than so long ago stays
       * @default 24
       */
      readonly graceHours?: number;
    };
    readonly NewModel: {
      readonly name: string;
      readonly files: {
        readonly [key: string]: string;
      };
    };
    readonly NewReplay: {
      /**
       * @description How many, at random; all where the run has fewer
       * @default 1
       */
      readonly slices?: number;
      /** @description Draws them; a random one by default */
      readonly seed?: number;
    };
    readonly NewStatement: {
      readonly files: readonly {
        readonly name: string;
        readonly digest: string;
      }[];
    };
    readonly NewToken: {
      /** @description Tells whose token it is; unique among the tokens that are not revoked. */
      readonly name: string;
      /**
       * @description `run` holds `read`, `admin` holds both.
       * @default [
       *       "read"
       *     ]
       */
      readonly scopes?: readonly ('read' | 'run' | 'admin')[];
    };
    readonly NewRun: {
      /**
       * @default default
       * @enum {string}
       */
      readonly preset?: 'default' | 'paper';
      /** @description What the run is called; more than one may have it. */
      readonly name: string;
      /** @description A registered model, by name or digest: the policy's start and, frozen, the reference. */
      readonly model: string;
      /** @description The training data set, by name or digest. */
      readonly dataset: string;
      /**
       * @description All that is drawn by chance is drawn from it.
       * @default 0
       */
      readonly seed?: number;
      /**
       * @description What a pair is trained on. solo: the short context, with the long one aligned to it; solo-both: the same, both ways. short, long: one context, answers sampled on it. expand-long: the long one, answers sampled on the short one. sft: the chosen answer alone. distil: the model itself on the short context as the teacher of the long one.
       * @default solo
       * @enum {string}
       */
      readonly arm?: 'sft' | 'short' | 'long' | 'expand-long' | 'solo' | 'solo-both' | 'distil';
      /**
       * @description The preference loss; dpo where no kind is said, and of the arms sft and distil the one that they are named for.
       * @default {
       *       "kind": "dpo"
       *     }
       */
      readonly objective?:
        | {
            /**
             * @description Direct preference optimization: the margin of both responses over the reference model.
             * @constant
             */
            readonly kind: 'dpo';
            /**
             * @description Scale of the rewards: beta * log (policy / reference).
             * @default 0.1
             */
            readonly beta?: number;
            /**
             * @description -log sigmoid(margin) (DPO), (margin / beta - 1 / (2 beta))^2 (IPO), or max(0, 1 - margin) (hinge).
             * @default sigmoid
             * @enum {string}
             */
            readonly loss?: 'sigmoid' | 'ipo' | 'hinge';
            /**
             * @description Share of pairs taken to be labelled the wrong way round (conservative DPO); sigmoid only.
             * @default 0
             */
            readonly labelSmoothing?: number;
          }
        | {
            /**
             * @description Mean log-probability as the reward, without a reference model.
             * @constant
             */
            readonly kind: 'simpo';
            /**
             * @description Scale of the rewards: beta * log p / tokens.
             * @default 2.5
             */
            readonly beta?: number;
            /**
             * @description Target margin between the rewards.
             * @default 1
             */
            readonly gamma?: number;
          }
        | {
            /**
             * @description Odds ratio of the responses beside the likelihood of the chosen one, without a reference model.
             * @constant
             */
            readonly kind: 'orpo';
            /**
             * @description Weight of -log sigmoid(log odds ratio), which the paper calls lambda.
             * @default 0.1
             */
            readonly beta?: number;
            /**
             * @description Weight of the chosen response's negative log-likelihood.
             * @default 1
             */
            readonly nllWeight?: number;
            /**
             * @description Tokens of that likelihood: the response's (LLaMA-Factory), or the prompt's too (TRL).
             * @default response
             * @enum {string}
             */
            readonly nll?: 'response' | 'all';
          }
        | {
            /**
             * @description Negative log-likelihood of the chosen response under one context.
             * @constant
             */
            readonly kind: 'sft';
            /**
             * @description The context that it is learned under.
             * @default short
             * @enum {string}
             */
            readonly context?: 'short' | 'long';
          }
        | {
            /**
             * @description KL of the policy's next token under the long context from the base model's under the short one, mean over the tokens of an answer that was sampled on the long context.
             * @constant
             */
            readonly kind: 'distil';
          };
      /**
       * @description How the long context is aligned to the short one; of the solo arms.
       * @default {}
       */
      readonly alignment?: {
        /**
         * @description Weight of the alignment beside the preference loss.
         * @default 1
         */
        readonly alpha?: number;
        /**
         * @description Whose reference log-probability the long reward takes: the short context's, or its own. Read by DPO only.
         * @default shared
         * @enum {string}
         */
        readonly reference?: 'shared' | 'per-context';
        /**
         * @description What is made of the gap between an answer's rewards under the two contexts.
         * @default absolute
         * @enum {string}
         */
        readonly distance?: 'absolute' | 'squared' | 'smooth-l1';
        /**
         * @description one: only what makes the long margin smaller is punished: r_short > r_long of the chosen answer, r_long > r_short of the rejected one.
         * @default two
         * @enum {string}
         */
        readonly sides?: 'two' | 'one';
        /**
         * @description short: the short reward is a constant in the gap, so that the long one moves towards it alone.
         * @default short
         * @enum {string}
         */
        readonly detach?: 'none' | 'short';
        /**
         * @description Gaps up to deadZone * |dr / d log pi| * tokens count as 0.
         * @default 0.00001
         */
        readonly deadZone?: number;
        /**
         * @description Share p of the pairs that are aligned, drawn once a pair by seed; their weight is alpha / p.
         * @default 1
         */
        readonly fraction?: number;
        /**
         * @description What of the long row has a gradient: full, every token; tail, the last so many tokens of the prompt and the answer; response, the places that predict the answer's tokens, as tail: 1. What stands before runs forward alone, and its keys and values are constants.
         * @default full
         */
        readonly backward?:
          | ('full' | 'response')
          | {
              /** @description The last so many tokens of the prompt have a gradient, and the answer. */
              readonly tail: number;
            };
      };
      /**
       * @description A low-rank adapter; null: every parameter is trained.
       * @default null
       */
      readonly adapter?: {
        /**
         * @description Low-rank matrices beside the linear layers (Hu et al. 2021).
         * @constant
         */
        readonly kind: 'lora';
        /**
         * @description Rows of A, columns of B: y = x W^T + s (x A^T) B^T.
         * @default 16
         */
        readonly rank?: number;
        /**
         * @description The scale s is alpha / rank.
         * @default 32
         */
        readonly alpha?: number;
        /**
         * @description Linear layers that are adapted, by the last part of their name, or all-linear: every one but the output layer. With engine onnx of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; with engine torch any that the model has.
         * @default all-linear
         */
        readonly targets?: readonly string[] | 'all-linear';
        /**
         * @description Scale alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023).
         * @default false
         */
        readonly rsLora?: boolean;
      } | null;
      /**
       * @description How the linear layers of the frozen model are kept while an adapter is trained, and by the reference that it is compared with: float16 takes half the memory, int8 (a scale an output) a quarter. What is exported is the adapter; merged, it goes into the model as it is registered.
       * @default float32
       * @enum {string}
       */
      readonly frozenWeights?: 'float32' | 'float16' | 'int8';
      /**
       * @description What computes: onnxruntime, which every worker has, or PyTorch, for any causal model of transformers and for bfloat16. Workers must have it (./solopo engine add torch).
       * @default onnx
       * @enum {string}
       */
      readonly engine?: 'onnx' | 'torch';
      /**
       * @description What weights and activations are computed in; bfloat16 needs engine: torch. What is trained is kept in float32.
       * @default float32
       * @enum {string}
       */
      readonly precision?: 'float32' | 'bfloat16';
      /**
       * @description A server that answers in place of the engine; null: the engine answers.
       * @default null
       */
      readonly sampler?: {
        /**
         * Format: uri
         * @description The server; one of those that workers may ask (SOLOPO_SAMPLERS).
         */
        readonly url: string;
        /** @description The run's model, by the server's name for it. Left out: the only one that the server has. */
        readonly model?: string;
        /**
         * @description vllm: policies are loaded there as LoRA adapters, and evaluations are answered by the server too. none: the server answers for the base model, on which samples are drawn; evaluations compute with the run's engine.
         * @default none
         * @enum {string}
         */
        readonly adapters?: 'vllm' | 'none';
        /**
         * @description logps: before the server answers for a model or a policy, its log-probabilities of some tokens are held to those of the run's engine. none: they are not, as where no worker has room for the model, or the server's weights are rounded.
         * @default logps
         * @enum {string}
         */
        readonly check?: 'logps' | 'none';
      } | null;
      /**
       * @description How an example becomes a prompt.
       * @default {}
       */
      readonly prompt?: {
        /** @description The system message. Left out: none, or the chat template's own. */
        readonly system?: string;
        /**
         * Format: includes
         * @description How a document is written; {title} and {text} are replaced.
         * @default {title}
         *     {text}
         */
        readonly document?: string;
        /**
         * @description What stands between two documents.
         * @default
         */
        readonly separator?: string;
        /**
         * Format: includes
         * @description The user's message; {documents} and {question} are replaced.
         * @default Answer the question from the documents.
         *
         *     {documents}
         *
         *     Question: {question}
         */
        readonly user?: string;
        /**
         * @description What a control token of the model (<|im_end|>, <eos>) in a question or a document becomes: that token, or the tokens of its characters, as text (sanitize_control_tokens of transformers).
         * @default tokens
         * @enum {string}
         */
        readonly controlTokens?: 'tokens' | 'text';
      };
      /** @description The short and the long context of each example. */
      readonly contexts: {
        /**
         * @description x_short: the relevant documents and so many distractors.
         * @default {}
         */
        readonly short?: {
          /**
           * @description Documents beside the relevant ones that do not hold the answer.
           * @default 0
           */
          readonly distractors?: number;
        };
        /** @description x_long: the documents of x_short and more distractors, shuffled, up to a number of documents or of tokens. */
        readonly long:
          | {
              /** @description Documents of a long context. */
              readonly documents: number;
            }
          | {
              /** @description Tokens of the whole prompt with a long context, at most. */
              readonly maxTokens: number;
            };
        /**
         * @description Contexts of more tokens than the model has positions: counted and warned of, or refused.
         * @default keep
         * @enum {string}
         */
        readonly beyondPositions?: 'keep' | 'refuse';
      };
      /**
       * @description How answers are drawn that pairs are made of.
       * @default {}
       */
      readonly sampling?: {
        /**
         * @description The contexts that answers are sampled on. The arms long and distil sample on long ones, and only they do.
         * @default short
         * @enum {string}
         */
        readonly on?: 'short' | 'long';
        /**
         * @description Answers drawn for each context; 1 where nothing is said for the arm distil.
         * @default 8
         */
        readonly samplesPerContext?: number;
        /**
         * @description What logits are divided by before an answer is drawn; 0: the most likely token each time.
         * @default 0.85
         */
        readonly temperature?: number;
        /**
         * @description Tokens are drawn from the most likely ones that together have this probability.
         * @default 1
         */
        readonly topP?: number;
        /**
         * @description Tokens of an answer, at most; a longer one is cut off.
         * @default 64
         */
        readonly maxNewTokens?: number;
        /**
         * @description How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; rows are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum 8-bit products exactly, answer with float32; which it was stands with the stage's result.
         * @default float32
         * @enum {string}
         */
        readonly weights?: 'float32' | 'int8' | 'int4';
      };
      /**
       * @description How answers are judged and paired.
       * @default {}
       */
      readonly pairing?: {
        /**
         * @description sampled: a right and a wrong sample. gold-chosen: the gold answer against a sampled wrong one. samples: one of the samples, right or wrong, and no rejected answer; what the arm distil trains on, and it alone.
         * @default sampled
         * @enum {string}
         */
        readonly mode?: 'sampled' | 'gold-chosen' | 'samples';
        /**
         * @description An answer is right when it has the gold answer in it (sub-em), or is it (exact).
         * @default sub-em
         * @enum {string}
         */
        readonly judge?: 'sub-em' | 'exact';
        /**
         * @description What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space.
         * @default hotpotqa
         * @enum {string}
         */
        readonly normalization?: 'hotpotqa' | 'none';
        /**
         * @description Whether a sample that sampling.maxNewTokens cut off may be the chosen answer.
         * @default refuse
         * @enum {string}
         */
        readonly cutAnswers?: 'refuse' | 'keep';
        /**
         * @description Training pairs kept, in data-set order, after the held-out ones are set aside.
         * @default 5000
         */
        readonly maxPairs?: number;
        /**
         * @description Pairs set aside for the alignment metrics, never trained on: the first pairs of the data set.
         * @default 64
         */
        readonly heldOutPairs?: number;
      };
      /**
       * @description Steps, learning rate, AdamW, and what a checkpoint is made after.
       * @default {}
       */
      readonly training?: {
        /**
         * @description How often each pair is trained on.
         * @default 1
         */
        readonly epochs?: number;
        /** @description Ends training early; the schedule is laid over the steps actually taken. Left out: all epochs. */
        readonly maxSteps?: number;
        /**
         * @description Pairs of a gradient step.
         * @default 16
         */
        readonly pairsPerStep?: number;
        /**
         * @description The largest one of the schedule; an adapter wants about ten times more.
         * @default 0.000001
         */
        readonly learningRate?: number;
        /**
         * @description How the learning rate falls after the warm-up.
         * @default cosine
         * @enum {string}
         */
        readonly schedule?: 'constant' | 'linear' | 'cosine';
        /**
         * @description Share of the steps in which the learning rate rises from 0.
         * @default 0.1
         */
        readonly warmupRatio?: number;
        /**
         * @description Where the schedule ends, as a fraction of the learning rate.
         * @default 0.1
         */
        readonly finalLearningRateRatio?: number;
        /**
         * @description Largest norm of a gradient; a longer one is scaled down to it.
         * @default 1
         */
        readonly clipNorm?: number;
        /**
         * @description Decay of AdamW's two moments.
         * @default [
         *       0.9,
         *       0.999
         *     ]
         */
        readonly betas?: readonly [number, number];
        /**
         * @description Added to the root in AdamW's denominator.
         * @default 1e-8
         */
        readonly epsilon?: number;
        /**
         * @description Decoupled decay of AdamW, times the learning rate.
         * @default 0
         */
        readonly weightDecay?: number;
        /**
         * @description A slice is one job: so many steps, then a checkpoint.
         * @default 25
         */
        readonly stepsPerSlice?: number;
        /**
         * @description Rows are run in micro-batches of at most this many (padded) tokens; changes memory, not results beyond rounding.
         * @default 8192
         */
        readonly microBatchTokens?: number;
      };
      /**
       * @description Watches held-out pairs for a short answer that is pulled down to meet the long one.
       * @default {}
       */
      readonly watch?: {
        /**
         * @description What a collapse does: nothing, a warning, or the end of the training.
         * @default warn
         * @enum {string}
         */
        readonly collapse?: 'off' | 'warn' | 'stop';
        /**
         * @description Fall of the chosen answer's short log-probability per token, in nats below the base, while the gap is smaller: more is a collapse.
         * @default 0.5
         */
        readonly logpDrop?: number;
      };
      /**
       * @description Questions that are asked of the base model and of the policy; null: none.
       * @default null
       */
      readonly evaluation?: {
        /** @description A held-out data set, by name or digest. */
        readonly dataset: string;
        /** @description Context lengths, in documents; each is asked of the base model and of the policy. */
        readonly documents: readonly number[];
        /** @description Questions a length. Left out: all of the data set. */
        readonly questions?: number;
        /**
         * @description An answer is right when it has the gold answer in it (sub-em), or is it (exact).
         * @default sub-em
         * @enum {string}
         */
        readonly judge?: 'sub-em' | 'exact';
        /**
         * @description What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space.
         * @default hotpotqa
         * @enum {string}
         */
        readonly normalization?: 'hotpotqa' | 'none';
        /**
         * @description Tokens of an answer, at most.
         * @default 64
         */
        readonly maxNewTokens?: number;
        /**
         * @description How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; rows are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum 8-bit products exactly, answer with float32; which it was stands with the stage's result.
         * @default float32
         * @enum {string}
         */
        readonly weights?: 'float32' | 'int8' | 'int4';
      } | null;
    };
    readonly Alignment: {
      readonly step: number;
      readonly policy: string;
      readonly metrics: {
        readonly [key: string]: number;
      };
    };
    readonly Artifact: {
      /** @description SHA-256 of the content */
      readonly digest: string;
      readonly bytes: number;
    };
    readonly Context: {
      readonly tokens: number;
      readonly evidenceTokens: number;
      /** @description The whole prompt in order; evidence is what the answer follows from */
      readonly pieces: readonly {
        readonly text: string;
        readonly evidence: boolean;
      }[];
    };
    readonly Dataset: {
      readonly digest: string;
      readonly name: string;
      readonly format: string;
      readonly examples: number;
      /** @description Lines that could not be read: line number and why. At most the first 100 are kept. */
      readonly rejected: readonly {
        readonly line: number;
        readonly reason: string;
      }[];
      readonly rejectedCount: number;
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
    };
    readonly DeadLetter: {
      readonly id: number;
      readonly subject: string;
      readonly job: unknown;
      readonly reason: string;
      readonly code: string;
      readonly attempts: number;
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      readonly retriedAt: string | null;
    };
    readonly Engine: {
      /** @description Runtime, device, precision, threads, layout, processor and, where one computes, GPU */
      readonly fingerprint: string;
      /** @description Gradient steps it took */
      readonly steps: number;
      /** @description ISO 8601, UTC */
      readonly lastUsed: string;
    };
    readonly Envelope: {
      /** Format: base64 */
      readonly payload: string;
      /** @constant */
      readonly payloadType: 'application/vnd.in-toto+json';
      readonly signatures: readonly {
        readonly keyid: string;
        /** Format: base64 */
        readonly sig: string;
      }[];
    };
    readonly Evaluation: {
      readonly policy: string;
      /** @description `base`, or the step of the policy version */
      readonly step: number | 'base';
      readonly documents: number;
      readonly tokens: number;
      readonly n: number;
      readonly correct: number;
      /** @description One character a question, '1' right and '0' wrong, in data-set order: for paired comparisons */
      readonly outcomes: string;
      /** @description Questions that could not be asked, by reason */
      readonly refused: {
        readonly [key: string]: number;
      };
    };
    readonly EvidencePlaces: {
      readonly documents: number;
      /** @description Of each question asked, in the order of an evaluation's outcomes: mean place of its evidence, 0 first */
      readonly places: readonly number[];
    };
    readonly Function: {
      readonly name: string;
      readonly app: string;
      readonly subject: string;
      readonly device: string;
      /** @description Whether its jobs need the numeric engine, of which a worker has one */
      readonly engine: boolean;
      /** @description Which engine computes the jobs of this queue; null: none */
      readonly computedBy: ('onnx' | 'torch') | null;
      /** @description Of the jobs of an app that wait, those with the lowest number are taken first */
      readonly priority: number;
      readonly timeLimitSeconds: number;
      readonly maxAttempts: number;
      /** @description The next chunk of a stage starts only when the one before it is done */
      readonly sequential: boolean;
      readonly scale: {
        readonly min: number;
        readonly max: number;
        readonly idleSeconds: number;
      };
      /** @description Jobs that nobody works on */
      readonly waiting: number;
      /** @description Jobs given to a worker and not acknowledged yet */
      readonly working: number;
      /** @description Age of the oldest job; 0 without jobs */
      readonly oldestSeconds: number;
      readonly chunksDone: number;
      readonly chunksFailed: number;
      /** @description Of a chunk; null before the first is done */
      readonly meanSeconds: number | null;
    };
    readonly Garbage: {
      readonly dryRun: boolean;
      /** @description Artifacts that nothing refers to: removed, unless it was a dry run */
      readonly unneeded: number;
      /** @description Of them */
      readonly bytes: number;
      /** @description Artifacts that nothing refers to yet, stored too lately to be removed */
      readonly fresh: number;
      /** @description Artifacts that models, checkpoints or policies are */
      readonly referenced: number;
    };
    readonly InspectedResponse: {
      /** @description One a token */
      readonly logps: readonly number[];
      /** @description By layer; the three add up to 1 */
      readonly attention: readonly {
        readonly evidence: number;
        /** @description The prompt but its evidence */
        readonly rest: number;
        /** @description What of the response is there already */
        readonly response: number;
      }[];
    };
    readonly Inspection: {
      readonly policy: string;
      /** @description 0: the base model, which is the reference too */
      readonly step: number;
      /** @description Fingerprint of the engine that computed it */
      readonly engine: string;
      readonly short: {
        readonly chosen: components['schemas']['InspectedResponse'];
        readonly rejected: components['schemas']['InspectedResponse'] | null;
      };
      readonly long: {
        readonly chosen: components['schemas']['InspectedResponse'];
        readonly rejected: components['schemas']['InspectedResponse'] | null;
      };
    };
    readonly IssuedToken: {
      readonly name: string;
      readonly scopes: readonly ('read' | 'run' | 'admin')[];
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      /** @description To the minute */
      readonly lastUsedAt: string | null;
      readonly revokedAt: string | null;
      /** @description Shown this once; only its hash is kept */
      readonly token: string;
    };
    readonly Model: {
      readonly digest: string;
      readonly name: string;
      readonly family: string;
      readonly parameters: number;
      /** @description What can compute it: runs by another are refused */
      readonly engines: readonly ('onnx' | 'torch')[];
      /** @description The quantised file that it was dequantised from, if any */
      readonly source: {
        /** @constant */
        readonly format: 'gguf';
        /** @description The publisher's name of the file's tensor types, such as Q4_1 */
        readonly file_type: string;
        /** @description Of the file */
        readonly sha256: string;
      } | null;
      /** @description What training or serving it would suffer from, each with what to do */
      readonly warnings: readonly string[];
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
    };
    readonly ModelDetails: {
      readonly digest: string;
      readonly name: string;
      readonly family: string;
      readonly parameters: number;
      /** @description What can compute it: runs by another are refused */
      readonly engines: readonly ('onnx' | 'torch')[];
      /** @description The quantised file that it was dequantised from, if any */
      readonly source: {
        /** @constant */
        readonly format: 'gguf';
        /** @description The publisher's name of the file's tensor types, such as Q4_1 */
        readonly file_type: string;
        /** @description Of the file */
        readonly sha256: string;
      } | null;
      /** @description What training or serving it would suffer from, each with what to do */
      readonly warnings: readonly string[];
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      readonly config: {
        readonly [key: string]: unknown;
      };
      /** @description File name to artifact digest */
      readonly files: {
        readonly [key: string]: string;
      };
    };
    readonly Pair: {
      readonly digest: string;
      readonly example: string;
      readonly heldOut: boolean;
      readonly question: string;
      readonly chosen: string;
      /** @description Null: the pair has no rejected answer (pairing.mode samples) */
      readonly rejected: string | null;
      readonly shortTokens: number;
      readonly longTokens: number;
    };
    readonly PairDetails: {
      readonly digest: string;
      readonly example: string;
      readonly heldOut: boolean;
      readonly question: string;
      readonly chosen: string;
      /** @description Null: the pair has no rejected answer (pairing.mode samples) */
      readonly rejected: string | null;
      readonly shortTokens: number;
      readonly longTokens: number;
      readonly short: components['schemas']['Context'];
      readonly long: components['schemas']['Context'];
      readonly responses: {
        readonly chosen: components['schemas']['Response'];
        readonly rejected: components['schemas']['Response'] | null;
      };
    };
    readonly PolicyManifest: {
      readonly run: string;
      readonly step: number;
      /**
       * @description A Hugging Face model folder, or a PEFT adapter folder
       * @enum {string}
       */
      readonly kind: 'model' | 'adapter';
      /** @description Of the registered model that training began with: an adapter belongs to it */
      readonly baseModel: string;
      /** @description Of the base model, whose tokenizer and chat template the policy has */
      readonly warnings: readonly string[];
      readonly files: readonly {
        readonly name: string;
        readonly digest: string;
        readonly bytes: number;
        /** @description Of a generated file; null: fetch it from /v1/artifacts/{digest} */
        readonly content: string | null;
      }[];
    };
    readonly Problem: {
      readonly type: string;
      readonly title: string;
      readonly status: number;
      /** @description What is wrong, and what to do next */
      readonly detail: string;
      readonly instance: string;
      /** @description Stable: tell problems apart by it */
      readonly code: string;
      /** @description Every fault of a refused body or query */
      readonly errors?: readonly {
        readonly path: string;
        readonly reason: string;
      }[];
    } & {
      readonly [key: string]: unknown;
    };
    readonly RecentEvent: {
      /** @enum {string} */
      readonly type:
        | 'run.state'
        | 'stage.started'
        | 'stage.progress'
        | 'stage.done'
        | 'run.step'
        | 'run.alignment'
        | 'run.evaluation'
        | 'run.warning';
      readonly run: string;
      readonly at: string;
      readonly data: {
        readonly [key: string]: unknown;
      };
      readonly id: number;
    };
    readonly Replay: {
      readonly id: string;
      readonly run: string;
      /** @description The slices were drawn with it */
      readonly seed: number;
      /** @description By number, from 0 */
      readonly slices: readonly number[];
      /** @enum {string} */
      readonly state: 'pending' | 'running' | 'done' | 'failed';
      /** @description Why it failed: a dead letter has more */
      readonly error: string | null;
      /** @description No slice differs or is unreadable; null while not all are replayed */
      readonly ok: boolean | null;
      readonly replayed: readonly components['schemas']['ReplayedSlice'][];
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
    };
    readonly ReplayedSlice: {
      /** @description From 0 */
      readonly slice: number;
      /** @description Its first step */
      readonly from: number;
      /** @description Its last step */
      readonly to: number;
      /**
       * @description equal: the same parameters, state of the optimiser and chain. differs: an engine of the same fingerprint came to something else, so what was recorded is not what training gives. other-engine: other numbers, by an engine of another fingerprint, which need not give the same: replay it where the recorded one runs. unreadable: the checkpoint that it starts from is damaged or lost
       * @enum {string}
       */
      readonly outcome: 'equal' | 'differs' | 'other-engine' | 'unreadable';
      /** @description Fingerprint of the engine that took it for the run */
      readonly recordedBy: string | null;
      /** @description Fingerprint of the engine that took it once more; null where none did */
      readonly replayedBy: string | null;
      readonly detail: string;
    };
    readonly Response: {
      /** @description The text of each token */
      readonly pieces: readonly string[];
      /** @description The frozen reference's, by context */
      readonly logps: {
        /** @description One a token; null where the reference was not asked */
        readonly short: readonly number[] | null;
        /** @description One a token; null where the reference was not asked */
        readonly long: readonly number[] | null;
      };
    };
    readonly Retried: {
      /** @description The runs that go on */
      readonly runs: readonly string[];
    };
    readonly Run: {
      readonly id: string;
      readonly config: components['schemas']['RunConfig'];
      /** @enum {string} */
      readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled';
      /** @description Why the run failed, with what to do next */
      readonly error: string | null;
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      readonly finishedAt: string | null;
      readonly step: number;
      readonly steps: number | null;
      /** @description Head of the chain of step digests: equal heads mean equal data, configuration and parameters */
      readonly chainHead: string | null;
      readonly policyDigest: string | null;
      readonly policyTokens: number;
      readonly referenceTokens: number;
      /** @description Spent in gradient steps */
      readonly trainSeconds: number;
      /** @description As recorded when it was done; a stage that runs share counts for each */
      readonly work: {
        /** @description Jobs of the run's stages that are done */
        readonly jobs: number;
        /** @description Executions begun for these stages: more than jobs where some were lost or failed */
        readonly executions: number;
      };
      readonly pairs: number | null;
      /** @description Of the pairs, those behind the last whole step of an epoch: each epoch leaves out others */
      readonly leftOver: number | null;
      /** @description In stages, of those that the run will have had; null until its steps are planned */
      readonly progress: {
        readonly done: number;
        readonly total: number;
        readonly fraction: number;
      } | null;
      /** @description Time left of the run; null until the rate of each kind of work that is left is known, and when it has ended */
      readonly etaSeconds: number | null;
      readonly stages: readonly components['schemas']['Stage'][];
      /** @description What its configuration, data and counts so far give reason to look at */
      readonly warnings: readonly {
        /** @description questions-in-both: evaluation questions that the training data set has too; contexts-too-long: contexts of more tokens than the model has positions, or tokens that they may have beyond these; control-tokens: examples whose texts have one of the model's control tokens; model: what of the model's folder training or serving would suffer from; exact-answers: answers by PyTorch or by a server, whose weights are not rounded as asked; uneven-ranks: ranks without a pair to train on in each step, or with fewer than others; few-pairs: examples that the held-out pairs leave for training, where they are fewer than the pairs of a step; cut-answers: sampled answers that the limit of new tokens cut off, where they are many */
        readonly kind: string;
        readonly count: number;
        /** @description What was counted, and what to do */
        readonly message: string;
      }[];
    };
    readonly RunConfig: {
      /** @description What the run is called; more than one may have it. */
      readonly name: string;
      /** @description A registered model, by name or digest: the policy's start and, frozen, the reference. */
      readonly model: string;
      /** @description The training data set, by name or digest. */
      readonly dataset: string;
      /**
       * @description All that is drawn by chance is drawn from it.
       * @default 0
       */
      readonly seed: number;
      /**
       * @description What a pair is trained on. solo: the short context, with the long one aligned to it; solo-both: the same, both ways. short, long: one context, answers sampled on it. expand-long: the long one, answers sampled on the short one. sft: the chosen answer alone. distil: the model itself on the short context as the teacher of the long one.
       * @default solo
       * @enum {string}
       */
      readonly arm: 'sft' | 'short' | 'long' | 'expand-long' | 'solo' | 'solo-both' | 'distil';
      /** @description The preference loss; dpo where no kind is said, and of the arms sft and distil the one that they are named for. */
      readonly objective:
        | {
            /**
             * @description Direct preference optimization: the margin of both responses over the reference model.
             * @constant
             */
            readonly kind: 'dpo';
            /**
             * @description Scale of the rewards: beta * log (policy / reference).
             * @default 0.1
             */
            readonly beta: number;
            /**
             * @description -log sigmoid(margin) (DPO), (margin / beta - 1 / (2 beta))^2 (IPO), or max(0, 1 - margin) (hinge).
             * @default sigmoid
             * @enum {string}
             */
            readonly loss: 'sigmoid' | 'ipo' | 'hinge';
            /**
             * @description Share of pairs taken to be labelled the wrong way round (conservative DPO); sigmoid only.
             * @default 0
             */
            readonly labelSmoothing: number;
          }
        | {
            /**
             * @description Mean log-probability as the reward, without a reference model.
             * @constant
             */
            readonly kind: 'simpo';
            /**
             * @description Scale of the rewards: beta * log p / tokens.
             * @default 2.5
             */
            readonly beta: number;
            /**
             * @description Target margin between the rewards.
             * @default 1
             */
            readonly gamma: number;
          }
        | {
            /**
             * @description Odds ratio of the responses beside the likelihood of the chosen one, without a reference model.
             * @constant
             */
            readonly kind: 'orpo';
            /**
             * @description Weight of -log sigmoid(log odds ratio), which the paper calls lambda.
             * @default 0.1
             */
            readonly beta: number;
            /**
             * @description Weight of the chosen response's negative log-likelihood.
             * @default 1
             */
            readonly nllWeight: number;
            /**
             * @description Tokens of that likelihood: the response's (LLaMA-Factory), or the prompt's too (TRL).
             * @default response
             * @enum {string}
             */
            readonly nll: 'response' | 'all';
          }
        | {
            /**
             * @description Negative log-likelihood of the chosen response under one context.
             * @constant
             */
            readonly kind: 'sft';
            /**
             * @description The context that it is learned under.
             * @default short
             * @enum {string}
             */
            readonly context: 'short' | 'long';
          }
        | {
            /**
             * @description KL of the policy's next token under the long context from the base model's under the short one, mean over the tokens of an answer that was sampled on the long context.
             * @constant
             */
            readonly kind: 'distil';
          };
      /** @description How the long context is aligned to the short one; of the solo arms. */
      readonly alignment: {
        /**
         * @description Weight of the alignment beside the preference loss.
         * @default 1
         */
        readonly alpha: number;
        /**
         * @description Whose reference log-probability the long reward takes: the short context's, or its own. Read by DPO only.
         * @default shared
         * @enum {string}
         */
        readonly reference: 'shared' | 'per-context';
        /**
         * @description What is made of the gap between an answer's rewards under the two contexts.
         * @default absolute
         * @enum {string}
         */
        readonly distance: 'absolute' | 'squared' | 'smooth-l1';
        /**
         * @description one: only what makes the long margin smaller is punished: r_short > r_long of the chosen answer, r_long > r_short of the rejected one.
         * @default two
         * @enum {string}
         */
        readonly sides: 'two' | 'one';
        /**
         * @description short: the short reward is a constant in the gap, so that the long one moves towards it alone.
         * @default short
         * @enum {string}
         */
        readonly detach: 'none' | 'short';
        /**
         * @description Gaps up to deadZone * |dr / d log pi| * tokens count as 0.
         * @default 0.00001
         */
        readonly deadZone: number;
        /**
         * @description Share p of the pairs that are aligned, drawn once a pair by seed; their weight is alpha / p.
         * @default 1
         */
        readonly fraction: number;
        /**
         * @description What of the long row has a gradient: full, every token; tail, the last so many tokens of the prompt and the answer; response, the places that predict the answer's tokens, as tail: 1. What stands before runs forward alone, and its keys and values are constants.
         * @default full
         */
        readonly backward:
          | ('full' | 'response')
          | {
              /** @description The last so many tokens of the prompt have a gradient, and the answer. */
              readonly tail: number;
            };
      };
      /**
       * @description A low-rank adapter; null: every parameter is trained.
       * @default null
       */
      readonly adapter: {
        /**
         * @description Low-rank matrices beside the linear layers (Hu et al. 2021).
         * @constant
         */
        readonly kind: 'lora';
        /**
         * @description Rows of A, columns of B: y = x W^T + s (x A^T) B^T.
         * @default 16
         */
        readonly rank: number;
        /**
         * @description The scale s is alpha / rank.
         * @default 32
         */
        readonly alpha: number;
        /**
         * @description Linear layers that are adapted, by the last part of their name, or all-linear: every one but the output layer. With engine onnx of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; with engine torch any that the model has.
         * @default all-linear
         */
        readonly targets: readonly string[] | 'all-linear';
        /**
         * @description Scale alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023).
         * @default false
         */
        readonly rsLora: boolean;
      } | null;
      /**
       * @description How the linear layers of the frozen model are kept while an adapter is trained, and by the reference that it is compared with: float16 takes half the memory, int8 (a scale an output) a quarter. What is exported is the adapter; merged, it goes into the model as it is registered.
       * @default float32
       * @enum {string}
       */
      readonly frozenWeights: 'float32' | 'float16' | 'int8';
      /**
       * @description What computes: onnxruntime, which every worker has, or PyTorch, for any causal model of transformers and for bfloat16. Workers must have it (./solopo engine add torch).
       * @default onnx
       * @enum {string}
       */
      readonly engine: 'onnx' | 'torch';
      /**
       * @description What weights and activations are computed in; bfloat16 needs engine: torch. What is trained is kept in float32.
       * @default float32
       * @enum {string}
       */
      readonly precision: 'float32' | 'bfloat16';
      /**
       * @description A server that answers in place of the engine; null: the engine answers.
       * @default null
       */
      readonly sampler: {
        /**
         * Format: uri
         * @description The server; one of those that workers may ask (SOLOPO_SAMPLERS).
         */
        readonly url: string;
        /** @description The run's model, by the server's name for it. Left out: the only one that the server has. */
        readonly model?: string;
        /**
         * @description vllm: policies are loaded there as LoRA adapters, and evaluations are answered by the server too. none: the server answers for the base model, on which samples are drawn; evaluations compute with the run's engine.
         * @default none
         * @enum {string}
         */
        readonly adapters: 'vllm' | 'none';
        /**
         * @description logps: before the server answers for a model or a policy, its log-probabilities of some tokens are held to those of the run's engine. none: they are not, as where no worker has room for the model, or the server's weights are rounded.
         * @default logps
         * @enum {string}
         */
        readonly check: 'logps' | 'none';
      } | null;
      /** @description How an example becomes a prompt. */
      readonly prompt: {
        /** @description The system message. Left out: none, or the chat template's own. */
        readonly system?: string;
        /**
         * Format: includes
         * @description How a document is written; {title} and {text} are replaced.
         * @default {title}
         *     {text}
         */
        readonly document: string;
        /**
         * @description What stands between two documents.
         * @default
         */
        readonly separator: string;
        /**
         * Format: includes
         * @description The user's message; {documents} and {question} are replaced.
         * @default Answer the question from the documents.
         *
         *     {documents}
         *
         *     Question: {question}
         */
        readonly user: string;
        /**
         * @description What a control token of the model (<|im_end|>, <eos>) in a question or a document becomes: that token, or the tokens of its characters, as text (sanitize_control_tokens of transformers).
         * @default tokens
         * @enum {string}
         */
        readonly controlTokens: 'tokens' | 'text';
      };
      /** @description The short and the long context of each example. */
      readonly contexts: {
        /** @description x_short: the relevant documents and so many distractors. */
        readonly short: {
          /**
           * @description Documents beside the relevant ones that do not hold the answer.
           * @default 0
           */
          readonly distractors: number;
        };
        /** @description x_long: the documents of x_short and more distractors, shuffled, up to a number of documents or of tokens. */
        readonly long:
          | {
              /** @description Documents of a long context. */
              readonly documents: number;
            }
          | {
              /** @description Tokens of the whole prompt with a long context, at most. */
              readonly maxTokens: number;
            };
        /**
         * @description Contexts of more tokens than the model has positions: counted and warned of, or refused.
         * @default keep
         * @enum {string}
         */
        readonly beyondPositions: 'keep' | 'refuse';
      };
      /** @description How answers are drawn that pairs are made of. */
      readonly sampling: {
        /**
         * @description The contexts that answers are sampled on. The arms long and distil sample on long ones, and only they do.
         * @default short
         * @enum {string}
         */
        readonly on: 'short' | 'long';
        /**
         * @description Answers drawn for each context; 1 where nothing is said for the arm distil.
         * @default 8
         */
        readonly samplesPerContext: number;
        /**
         * @description What logits are divided by before an answer is drawn; 0: the most likely token each time.
         * @default 0.85
         */
        readonly temperature: number;
        /**
         * @description Tokens are drawn from the most likely ones that together have this probability.
         * @default 1
         */
        readonly topP: number;
        /**
         * @description Tokens of an answer, at most; a longer one is cut off.
         * @default 64
         */
        readonly maxNewTokens: number;
        /**
         * @description How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; rows are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum 8-bit products exactly, answer with float32; which it was stands with the stage's result.
         * @default float32
         * @enum {string}
         */
        readonly weights: 'float32' | 'int8' | 'int4';
      };
      /** @description How answers are judged and paired. */
      readonly pairing: {
        /**
         * @description sampled: a right and a wrong sample. gold-chosen: the gold answer against a sampled wrong one. samples: one of the samples, right or wrong, and no rejected answer; what the arm distil trains on, and it alone.
         * @default sampled
         * @enum {string}
         */
        readonly mode: 'sampled' | 'gold-chosen' | 'samples';
        /**
         * @description An answer is right when it has the gold answer in it (sub-em), or is it (exact).
         * @default sub-em
         * @enum {string}
         */
        readonly judge: 'sub-em' | 'exact';
        /**
         * @description What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space.
         * @default hotpotqa
         * @enum {string}
         */
        readonly normalization: 'hotpotqa' | 'none';
        /**
         * @description Whether a sample that sampling.maxNewTokens cut off may be the chosen answer.
         * @default refuse
         * @enum {string}
         */
        readonly cutAnswers: 'refuse' | 'keep';
        /**
         * @description Training pairs kept, in data-set order, after the held-out ones are set aside.
         * @default 5000
         */
        readonly maxPairs: number;
        /**
         * @description Pairs set aside for the alignment metrics, never trained on: the first pairs of the data set.
         * @default 64
         */
        readonly heldOutPairs: number;
      };
      /** @description Steps, learning rate, AdamW, and what a checkpoint is made after. */
      readonly training: {
        /**
         * @description How often each pair is trained on.
         * @default 1
         */
        readonly epochs: number;
        /** @description Ends training early; the schedule is laid over the steps actually taken. Left out: all epochs. */
        readonly maxSteps?: number;
        /**
         * @description Pairs of a gradient step.
         * @default 16
         */
        readonly pairsPerStep: number;
        /**
         * @description The largest one of the schedule; an adapter wants about ten times more.
         * @default 0.000001
         */
        readonly learningRate: number;
        /**
         * @description How the learning rate falls after the warm-up.
         * @default cosine
         * @enum {string}
         */
        readonly schedule: 'constant' | 'linear' | 'cosine';
        /**
         * @description Share of the steps in which the learning rate rises from 0.
         * @default 0.1
         */
        readonly warmupRatio: number;
        /**
         * @description Where the schedule ends, as a fraction of the learning rate.
         * @default 0.1
         */
        readonly finalLearningRateRatio: number;
        /**
         * @description Largest norm of a gradient; a longer one is scaled down to it.
         * @default 1
         */
        readonly clipNorm: number;
        /**
         * @description Decay of AdamW's two moments.
         * @default [
         *       0.9,
         *       0.999
         *     ]
         */
        readonly betas: readonly [number, number];
        /**
         * @description Added to the root in AdamW's denominator.
         * @default 1e-8
         */
        readonly epsilon: number;
        /**
         * @description Decoupled decay of AdamW, times the learning rate.
         * @default 0
         */
        readonly weightDecay: number;
        /**
         * @description A slice is one job: so many steps, then a checkpoint.
         * @default 25
         */
        readonly stepsPerSlice: number;
        /**
         * @description Rows are run in micro-batches of at most this many (padded) tokens; changes memory, not results beyond rounding.
         * @default 8192
         */
        readonly microBatchTokens: number;
      };
      /** @description Watches held-out pairs for a short answer that is pulled down to meet the long one. */
      readonly watch: {
        /**
         * @description What a collapse does: nothing, a warning, or the end of the training.
         * @default warn
         * @enum {string}
         */
        readonly collapse: 'off' | 'warn' | 'stop';
        /**
         * @description Fall of the chosen answer's short log-probability per token, in nats below the base, while the gap is smaller: more is a collapse.
         * @default 0.5
         */
        readonly logpDrop: number;
      };
      /**
       * @description Questions that are asked of the base model and of the policy; null: none.
       * @default null
       */
      readonly evaluation: {
        /** @description A held-out data set, by name or digest. */
        readonly dataset: string;
        /** @description Context lengths, in documents; each is asked of the base model and of the policy. */
        readonly documents: readonly number[];
        /** @description Questions a length. Left out: all of the data set. */
        readonly questions?: number;
        /**
         * @description An answer is right when it has the gold answer in it (sub-em), or is it (exact).
         * @default sub-em
         * @enum {string}
         */
        readonly judge: 'sub-em' | 'exact';
        /**
         * @description What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space.
         * @default hotpotqa
         * @enum {string}
         */
        readonly normalization: 'hotpotqa' | 'none';
        /**
         * @description Tokens of an answer, at most.
         * @default 64
         */
        readonly maxNewTokens: number;
        /**
         * @description How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; rows are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum 8-bit products exactly, answer with float32; which it was stands with the stage's result.
         * @default float32
         * @enum {string}
         */
        readonly weights: 'float32' | 'int8' | 'int4';
      } | null;
    };
    readonly RunEvent: {
      /** @enum {string} */
      readonly type:
        | 'run.state'
        | 'stage.started'
        | 'stage.progress'
        | 'stage.done'
        | 'run.step'
        | 'run.alignment'
        | 'run.evaluation'
        | 'run.warning';
      readonly run: string;
      readonly at: string;
      readonly data: {
        readonly [key: string]: unknown;
      };
    };
    readonly RunSummary: {
      readonly id: string;
      readonly config: {
        /** @description What the run is called; more than one may have it. */
        readonly name: string;
        /** @description A registered model, by name or digest: the policy's start and, frozen, the reference. */
        readonly model: string;
        /** @description The training data set, by name or digest. */
        readonly dataset: string;
        /** @enum {string} */
        readonly arm: 'sft' | 'short' | 'long' | 'expand-long' | 'solo' | 'solo-both' | 'distil';
        /** @enum {string} */
        readonly engine: 'onnx' | 'torch';
        /** @enum {string} */
        readonly precision: 'float32' | 'bfloat16';
        readonly objective:
          | {
              /**
               * @description Direct preference optimization: the margin of both responses over the reference model.
               * @constant
               */
              readonly kind: 'dpo';
              /**
               * @description Scale of the rewards: beta * log (policy / reference).
               * @default 0.1
               */
              readonly beta: number;
              /**
               * @description -log sigmoid(margin) (DPO), (margin / beta - 1 / (2 beta))^2 (IPO), or max(0, 1 - margin) (hinge).
               * @default sigmoid
               * @enum {string}
               */
              readonly loss: 'sigmoid' | 'ipo' | 'hinge';
              /**
               * @description Share of pairs taken to be labelled the wrong way round (conservative DPO); sigmoid only.
               * @default 0
               */
              readonly labelSmoothing: number;
            }
          | {
              /**
               * @description Mean log-probability as the reward, without a reference model.
               * @constant
               */
              readonly kind: 'simpo';
              /**
               * @description Scale of the rewards: beta * log p / tokens.
               * @default 2.5
               */
              readonly beta: number;
              /**
               * @description Target margin between the rewards.
               * @default 1
               */
              readonly gamma: number;
            }
          | {
              /**
               * @description Odds ratio of the responses beside the likelihood of the chosen one, without a reference model.
               * @constant
               */
              readonly kind: 'orpo';
              /**
               * @description Weight of -log sigmoid(log odds ratio), which the paper calls lambda.
               * @default 0.1
               */
              readonly beta: number;
              /**
               * @description Weight of the chosen response's negative log-likelihood.
               * @default 1
               */
              readonly nllWeight: number;
              /**
               * @description Tokens of that likelihood: the response's (LLaMA-Factory), or the prompt's too (TRL).
               * @default response
               * @enum {string}
               */
              readonly nll: 'response' | 'all';
            }
          | {
              /**
               * @description Negative log-likelihood of the chosen response under one context.
               * @constant
               */
              readonly kind: 'sft';
              /**
               * @description The context that it is learned under.
               * @default short
               * @enum {string}
               */
              readonly context: 'short' | 'long';
            }
          | {
              /**
               * @description KL of the policy's next token under the long context from the base model's under the short one, mean over the tokens of an answer that was sampled on the long context.
               * @constant
               */
              readonly kind: 'distil';
            };
        readonly adapter: {
          readonly kind: string;
          readonly rank: number;
        } | null;
        readonly pairing: {
          readonly mode: string;
          readonly heldOutPairs: number;
        };
        readonly evaluation: {
          readonly dataset: string;
          readonly documents: readonly number[];
        } | null;
      };
      /** @enum {string} */
      readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled';
      /** @description Why the run failed, with what to do next */
      readonly error: string | null;
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      readonly finishedAt: string | null;
      readonly step: number;
      readonly steps: number | null;
      /** @description Head of the chain of step digests: equal heads mean equal data, configuration and parameters */
      readonly chainHead: string | null;
      readonly policyDigest: string | null;
      readonly policyTokens: number;
      readonly referenceTokens: number;
      /** @description Spent in gradient steps */
      readonly trainSeconds: number;
      /** @description As recorded when it was done; a stage that runs share counts for each */
      readonly work: {
        /** @description Jobs of the run's stages that are done */
        readonly jobs: number;
        /** @description Executions begun for these stages: more than jobs where some were lost or failed */
        readonly executions: number;
      };
      readonly pairs: number | null;
      /** @description Of the pairs, those behind the last whole step of an epoch: each epoch leaves out others */
      readonly leftOver: number | null;
      /** @description In stages, of those that the run will have had; null until its steps are planned */
      readonly progress: {
        readonly done: number;
        readonly total: number;
        readonly fraction: number;
      } | null;
      /** @description Time left of the run; null until the rate of each kind of work that is left is known, and when it has ended */
      readonly etaSeconds: number | null;
      readonly stages: readonly components['schemas']['Stage'][];
      /** @description What its configuration, data and counts so far give reason to look at */
      readonly warnings: readonly {
        /** @description questions-in-both: evaluation questions that the training data set has too; contexts-too-long: contexts of more tokens than the model has positions, or tokens that they may have beyond these; control-tokens: examples whose texts have one of the model's control tokens; model: what of the model's folder training or serving would suffer from; exact-answers: answers by PyTorch or by a server, whose weights are not rounded as asked; uneven-ranks: ranks without a pair to train on in each step, or with fewer than others; few-pairs: examples that the held-out pairs leave for training, where they are fewer than the pairs of a step; cut-answers: sampled answers that the limit of new tokens cut off, where they are many */
        readonly kind: string;
        readonly count: number;
        /** @description What was counted, and what to do */
        readonly message: string;
      }[];
    };
    readonly SigningKey: {
      /** @description SHA-256 of the key's SubjectPublicKeyInfo */
      readonly keyid: string;
      /** @description Ed25519, PEM */
      readonly publicKey: string;
    };
    readonly Slice: {
      /** @description The last of the slice */
      readonly step: number;
      readonly steps: number;
      /** @description Of the whole job: loading, gradient steps, checkpoint */
      readonly seconds: number;
    };
    readonly Stage: {
      readonly digest: string;
      readonly kind: string;
      /** @description What the run calls it: unique within the run */
      readonly label: string;
      /**
       * @description cancelled: the run has ended without it; other runs may still want it, and in them it goes on
       * @enum {string}
       */
      readonly state: 'pending' | 'running' | 'done' | 'failed' | 'cancelled';
      readonly chunks: number;
      readonly chunksDone: number;
      readonly startedAt: string | null;
      readonly finishedAt: string | null;
      /** @description Mean of the chunks that are done */
      readonly secondsPerChunk: number | null;
      /** @description With what is done of the chunks that are worked on now */
      readonly progress: {
        readonly done: number;
        readonly total: number;
        readonly fraction: number;
        /** @description examples, pairs, steps or questions; chunks of a stage that is older than this record */
        readonly unit: string;
        /** @description What a worker does now, as it last told: loading, composing, sampling, ...; null while none is at it */
        readonly phase: string | null;
      };
      /** @description Time left with as many workers as now, at the rate of what is done; before anything is, at the rate of the latest stages of its kind, model and context; null where that is not known, and when it is done */
      readonly etaSeconds: number | null;
      /** @description Counts of the chunks done so far */
      readonly result: {
        readonly [key: string]: unknown;
      } | null;
    };
    readonly Step: {
      readonly step: number;
      readonly digest: string;
      readonly metrics: {
        readonly [key: string]: number;
      };
      /** @description Seconds by phase (data, reference, load, forward, loss, backward, optimizer, checkpoint); null: the step is older than this record */
      readonly phaseSeconds: {
        readonly [key: string]: number;
      } | null;
    };
    readonly Stream: {
      readonly name: string;
      readonly messages: number;
      readonly bytes: number;
      readonly maxBytes: number;
    };
    readonly System: {
      /** @description By app, in the order in which their jobs are taken */
      readonly functions: readonly components['schemas']['Function'][];
      /** @description The workers that there are or may be */
      readonly pools: readonly {
        readonly name: string;
        readonly app: string;
        /** @description What its workers compute with: runs by another engine are not given to them */
        readonly engines: readonly ('onnx' | 'torch')[];
        /** @description Processes on a machine over which PyTorch scores and trains; several draw no answers */
        readonly ranks: number;
        /** @description Machines with so many ranks each */
        readonly nodes: number;
        /** @description Of all its ranks, how many share each sequence */
        readonly sequenceRanks: number;
      }[];
      readonly streams: readonly components['schemas']['Stream'][];
      readonly outbox: {
        readonly unpublished: number;
        readonly oldestSeconds: number;
      };
      /** @description Those that took up a job lately, latest first */
      readonly workers: readonly components['schemas']['Worker'][];
      readonly engines: readonly components['schemas']['Engine'][];
    };
    readonly Token: {
      readonly name: string;
      readonly scopes: readonly ('read' | 'run' | 'admin')[];
      /** @description ISO 8601, UTC */
      readonly createdAt: string;
      /** @description To the minute */
      readonly lastUsedAt: string | null;
      readonly revokedAt: string | null;
    };
    readonly Verification: {
      readonly ok: boolean;
      readonly checks: readonly {
        readonly name: string;
        readonly ok: boolean;
        /** @description What was compared, or what is wrong */
        readonly detail: string;
      }[];
    };
    readonly Worker: {
      /** @description Host and process */
      readonly id: string;
      readonly app: string | null;
      /** @description Attempts at jobs */
      readonly jobs: number;
      readonly failures: number;
      /** @description ISO 8601, UTC */
      readonly firstSeen: string;
      /** @description When it last took up a job */
      readonly lastSeen: string;
      /** @description Jobs that it works on now: at most one on its engine */
      readonly working: readonly {
        readonly kind: string;
        /** @description On the numeric engine */
        readonly engine: boolean;
        /** @description The running runs that wait for it */
        readonly runs: readonly string[];
        readonly stage: string;
        readonly chunk: number;
        /** @description ISO 8601, UTC */
        readonly since: string;
        /** @description As last told */
        readonly progress: {
          /** @description What it does now */
          readonly phase?: string;
          readonly done?: number;
          readonly total?: number;
          /** @description What is counted */
          readonly unit?: string;
          readonly tokensPerSecond?: number;
        } | null;
      }[];
      /** @description Where its engine computes; null before its first work */
      readonly device: {
        /** @description cpu, webgpu or cuda */
        readonly device: string;
        /** @description What the device calls itself */
        readonly name: string | null;
        /** @description Why this one */
        readonly reason: string;
        /** @description What lies on it */
        readonly allocatedBytes: number;
        /** @description What it has, where something says */
        readonly memoryBytes: number | null;
        /** @description What the engine's C library was told of memory (GLIBC_TUNABLES); null where it is told nothing */
        readonly memorySettings: string | null;
        /** @description ISO 8601, UTC */
        readonly toldAt: string;
      } | null;
    };
  };
  responses: {
    /** @description A problem: what is wrong, and what to do next */
    readonly Problem: {
      headers: {
        readonly [name: string]: unknown;
      };
      content: {
        readonly 'application/problem+json': components['schemas']['Problem'];
      };
    };
  };
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  readonly listModels: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description All models */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Model'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly registerModel: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['NewModel'];
      };
    };
    readonly responses: {
      /** @description Makes a model of artifacts: the files of a Hugging Face folder by their digests */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Model'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showModel: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly nameOrDigest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description A model by digest, or the latest of a name */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['ModelDetails'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listDatasets: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description All data sets */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Dataset'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly importDataset: {
    readonly parameters: {
      readonly query: {
        readonly name: string;
        readonly format?: 'solopo' | 'musique' | 'hotpotqa' | '2wiki';
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** @description JSON lines, or one JSON array, in UTF-8 */
    readonly requestBody: {
      readonly content: {
        readonly 'application/x-ndjson': string;
      };
    };
    readonly responses: {
      /** @description Imports questions with their documents, as JSON lines or one JSON array; lines that cannot be read are reported */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Dataset'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showDataset: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly nameOrDigest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description A data set by digest, or the latest of a name */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Dataset'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listRuns: {
    readonly parameters: {
      readonly query?: {
        readonly state?: 'running' | 'succeeded' | 'failed' | 'cancelled';
        /** @description The id of a run: only runs created before it */
        readonly before?: string;
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Runs, latest first, with the short of their configurations */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['RunSummary'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly createRun: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['NewRun'];
      };
    };
    readonly responses: {
      /** @description Starts a run */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Run'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showRun: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description A run with its stages */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Run'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly cancelRun: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Ends a running run */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Run'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listSteps: {
    readonly parameters: {
      readonly query?: {
        /** @description Only steps later than this one */
        readonly after?: number;
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Gradient steps with their metrics, in order */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Step'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listSlices: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description How long each slice of training took */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Slice'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listAlignments: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Metrics of each policy version on the held-out pairs */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Alignment'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listEvaluations: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Accuracy by context length, of the base model and of the policy */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Evaluation'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listEvidencePlaces: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Where the evidence of each evaluated question stood, by context length */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['EvidencePlaces'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listPairs: {
    readonly parameters: {
      readonly query?: {
        readonly split?: 'training' | 'held-out';
        /** @description In the question and in both responses, whatever the case */
        readonly search?: string;
        /** @description Of the long context */
        readonly minLongTokens?: number;
        /** @description Of the long context */
        readonly maxLongTokens?: number;
        readonly offset?: number;
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Preference pairs in data-set order; none before the run has come to them */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Pair'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showPair: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
        readonly digest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description A pair with both prompts, their evidence marked */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['PairDetails'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly inspectPair: {
    readonly parameters: {
      readonly query?: {
        /** @description Of a policy version, 0 for the base model; the latest when absent */
        readonly step?: number;
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
        readonly digest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Log-probabilities and attention of a policy version on a pair, computed by a reward worker; 503 while none is up */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Inspection'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly exportPairs: {
    readonly parameters: {
      readonly query?: {
        readonly format?: 'trl' | 'trl-tokens' | 'trl-conversational' | 'llama-factory';
        readonly split?: 'training' | 'held-out';
        /** @description Whose prompts */
        readonly context?: 'short' | 'long';
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description JSON lines */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/x-ndjson': string;
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly describePolicy: {
    readonly parameters: {
      readonly query?: {
        /** @description Of an earlier policy version; the latest when absent */
        readonly step?: number;
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description The files of a policy version: a Hugging Face model folder, or a PEFT adapter folder */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['PolicyManifest'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly verifyRun: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Recomputes the chain of step digests from the rows of the ledger; names what was altered, lost or swapped */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Verification'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listReplays: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Replays of the run, latest first */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Replay'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly createReplay: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['NewReplay'];
      };
    };
    readonly responses: {
      /** @description Has a trainer take random slices of the run once more, from their checkpoints; nothing of the run changes */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Replay'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showReplay: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: string;
        readonly replay: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Whether slices that were taken once more came to what was recorded */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Replay'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showSigningKey: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description The public key that exports' statements are signed with */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['SigningKey'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly stateMergedPolicy: {
    readonly parameters: {
      readonly query?: {
        /** @description Of an earlier policy version; the latest when absent */
        readonly step?: number;
      };
      readonly header?: never;
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['NewStatement'];
      };
    };
    readonly responses: {
      /** @description Signs what a merged policy was made of; files that are neither of the base nor of the adapter are marked as declared by the caller */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Envelope'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly streamEvents: {
    readonly parameters: {
      readonly query?: {
        /** @description `now` spares a client what it has read as history */
        readonly from?: 'start' | 'now';
        /** @description For browsers, whose EventSource sends no Authorization header */
        readonly access_token?: string;
      };
      readonly header?: {
        /** @description Only events later than this one. Where the stream that it is of was lost, an event of the type `restarted` comes first: read again what the ledger says */
        readonly 'Last-Event-ID'?: string;
      };
      readonly path: {
        readonly id: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Server-sent events */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'text/event-stream': string;
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly streamAllEvents: {
    readonly parameters: {
      readonly query?: {
        /** @description `now` spares a client what it has read as history */
        readonly from?: 'start' | 'now';
        /** @description For browsers, whose EventSource sends no Authorization header */
        readonly access_token?: string;
      };
      readonly header?: {
        /** @description Only events later than this one. Where the stream that it is of was lost, an event of the type `restarted` comes first: read again what the ledger says */
        readonly 'Last-Event-ID'?: string;
      };
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Server-sent events */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'text/event-stream': string;
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listRecentEvents: {
    readonly parameters: {
      readonly query?: {
        readonly run?: string;
        readonly type?:
          | 'run.state'
          | 'stage.started'
          | 'stage.progress'
          | 'stage.done'
          | 'run.step'
          | 'run.alignment'
          | 'run.evaluation'
          | 'run.warning';
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description What happened lately, latest first; at most a day is kept */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['RecentEvent'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly storeArtifact: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** @description The bytes */
    readonly requestBody: {
      readonly content: {
        readonly 'application/octet-stream': unknown;
      };
    };
    readonly responses: {
      /** @description Keeps bytes under their SHA-256 */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Artifact'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly collectGarbage: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['GarbageCollection'];
      };
    };
    readonly responses: {
      /** @description Removes artifacts that nothing refers to; without `dryRun: false` it says how many there are */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Garbage'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly readArtifact: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly digest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description The bytes */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/octet-stream': unknown;
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly describeArtifact: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly digest: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Whether the artifact is there, and its size as Content-Length */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content?: never;
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly countLedger: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Rows in each table of evidence */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': {
            readonly [key: string]: number;
          };
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listDeadLetters: {
    readonly parameters: {
      readonly query?: {
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Jobs that were given up, latest first */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['DeadLetter'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly showDeadLetter: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: number;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description A job that was given up */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['DeadLetter'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly discardDeadLetter: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: number;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Deletes the letter; what failed with it stays failed */
      readonly 204: {
        headers: {
          readonly [name: string]: unknown;
        };
        content?: never;
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly retryDeadLetter: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly id: number;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Sets the runs going again that failed because of the letter */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Retried'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly describeSystem: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description Functions with their queues, streams, workers of the last day, and engines that took gradient steps */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['System'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly listTokens: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description All tokens, also revoked ones, without the secrets */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': readonly components['schemas']['Token'][];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly issueToken: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody: {
      readonly content: {
        readonly 'application/json': components['schemas']['NewToken'];
      };
    };
    readonly responses: {
      /** @description A new token, which is shown this once */
      readonly 201: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['IssuedToken'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly revokeToken: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path: {
        readonly name: string;
      };
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description From now on the token is refused */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': components['schemas']['Token'];
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
  readonly describeApi: {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: {
      /** @description This document */
      readonly 200: {
        headers: {
          readonly [name: string]: unknown;
        };
        content: {
          readonly 'application/json': {
            readonly [key: string]: unknown;
          };
        };
      };
      readonly default: components['responses']['Problem'];
    };
  };
}
