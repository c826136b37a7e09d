/** What each kind has of the cases: those that start a machine for a template, or wait for a server, have fewer. */
export const SHARES = {
  dataset: 18,
  safetensors: 14,
  gguf: 14,
  'gguf-file': 1,
  config: 11,
  adapter: 8,
  weights: 6,
  folder: 1,
  llama2c: 1,
  'llama2c-tokenizer': 3,
  tokenizer: 2,
  template: 1,
  'run-file': 7,
  schemas: 6,
  routes: 6,
  messages: 1,
};
