export { philox4x32, uniform, type Words2, type Words4 } from './philox.ts';
export { Random, type RandomKey } from './random.ts';
