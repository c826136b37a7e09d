export * from './child.ts';
export * from './nats.ts';
export * from './otlp.ts';
export * from './postgres.ts';
export * from './scratch.ts';
export * from './wait.ts';
export * from './vulkan.ts';
export { ggufBytes, ggufTensors, type GgufTensorBytes } from './gguf.ts';
export { tinyGguf } from './tiny-gguf.ts';
