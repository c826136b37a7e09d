import protobuf from 'protobufjs/minimal.js';
import type { DType, Graph, GraphNode, LoopBody, TensorData, Value } from './graph.ts';
import { loopKernels } from './loop-kernels.ts';
import type { WrittenNode, WrittenOpAttributes, WrittenOpName } from './ops.ts';
import { plainProducts } from './plain-products.ts';
import { ShapeError } from './shape.ts';

export type GraphForm = 'fused' | 'plain' | 'loops';

export interface EncodeOptions {
  /** Products that transpose and scale as one operator (the default), as `plainProducts`, or as `loopKernels` writes them. */
  readonly form?: GraphForm;
  /** Inputs that become initialisers; the numbers of each are in an external file of its name. Their shapes must be numbers. */
  readonly initialisers?: ReadonlySet<string>;
}

/**
 * Writes a graph as an ONNX model (opset 18 and ONNX Runtime's com.microsoft 1). Field numbers are those of onnx.proto.
 * Nodes and inputs that no output needs are left out.
 */
export function encodeModel(
  graph: Graph,
  { form = 'fused', initialisers = new Set() }: EncodeOptions = {},
): Uint8Array {
  const model = protobuf.Writer.create();
  model.uint32(tag(1, 0)).int64(9); // ir_version
  model.uint32(tag(2, 2)).string('solopo');
  message(model, 7, (w) => writeGraph(w, graph, form, initialisers));
  message(model, 8, (w) => w.uint32(tag(1, 2)).string('').uint32(tag(2, 0)).int64(18));
  message(model, 8, (w) => w.uint32(tag(1, 2)).string('com.microsoft').uint32(tag(2, 0)).int64(1));
  return model.finish();
}

type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly body: LoopBody };
interface Encoding {
  readonly type: string;
  /** How many of the node's inputs ONNX reads; the others are there for the gradient. Default: all. */
  readonly reads?: number;
  /** Which of the node's outputs stands at each place of ONNX's; null: one that is left out. Default: all, in order. */
  readonly gives?: readonly (number | null)[];
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

type Encodings = { readonly [K in WrittenOpName]: (attributes: WrittenOpAttributes[K]) => Encoding };

/** How each operator is written: its ONNX name and attributes. */
const ENCODINGS: Encodings = {
  Add: plain('Add'),
  Sub: plain('Sub'),
  Mul: plain('Mul'),
  Div: plain('Div'),
  Neg: plain('Neg'),
  Exp: plain('Exp'),
  Log: plain('Log'),
  Sqrt: plain('Sqrt'),
  Reciprocal: plain('Reciprocal'),
  Sigmoid: plain('Sigmoid'),
  // With alpha 1 it is x sigmoid(x).
  Silu: () => ({ type: 'QuickGelu', domain: 'com.microsoft', attributes: { alpha: { float: 1 } } }),
  Tanh: plain('Tanh'),
  Abs: plain('Abs'),
  Softmax: () => ({ type: 'Softmax', attributes: { axis: -1 } }),
  MatMul: ({ transA, transB, alpha }) =>
    !transA && !transB && alpha === 1
      ? { type: 'MatMul' }
      : {
          type: 'FusedMatMul',
          domain: 'com.microsoft',
          attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } },
        },
  Gemm: ({ transA, transB, alpha }) => ({
    type: 'Gemm',
    attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } },
  }),
  Einsum: ({ equation }) => ({ type: 'Einsum', attributes: { equation } }),
  LoraMatMul: () => ({
    type: 'FusedMatMul',
    domain: 'com.microsoft',
    attributes: { transA: 0, transB: 1, alpha: { float: 1 } },
    reads: 2,
  }),
  // The product stands before it; the operands are there for the gradient.
  HalfMatMul: () => ({ type: 'Identity', reads: 1 }),
  RmsNorm: ({ epsilon }) => ({
    type: 'SimplifiedLayerNormalization',
    attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
  }),
  AddedRmsNorm: ({ epsilon }) => ({
    type: 'SkipSimplifiedLayerNormalization',
    domain: 'com.microsoft',
    attributes: { epsilon: { float: epsilon } },
    gives: [0, null, null, 1],
  }),
  RotaryEmbedding: ({ heads }) => ({
    type: 'RotaryEmbedding',
    domain: 'com.microsoft',
    attributes: { interleaved: 0, num_heads: heads },
  }),
  QuantizeLinear: () => ({ type: 'QuantizeLinear', attributes: { axis: 0 } }),
  MatMulIntegerToFloat: () => ({ type: 'MatMulIntegerToFloat', domain: 'com.microsoft' }),
  // At accuracy level 4 rows are rounded to 8 bits; at others weights are made float32 in every run.
  MatMulNBits: ({ inputs, outputs, blockSize }) => ({
    type: 'MatMulNBits',
    domain: 'com.microsoft',
    attributes: { K: inputs, N: outputs, bits: 4, block_size: blockSize, accuracy_level: 4 },
  }),
  ReduceSum: () => ({ type: 'ReduceSum', attributes: { keepdims: 1 } }),
  ReduceMean: () => ({ type: 'ReduceMean', attributes: { keepdims: 1 } }),
  ReduceLogSumExp: () => ({ type: 'ReduceLogSumExp', attributes: { keepdims: 1 } }),
  ReduceMax: () => ({ type: 'ReduceMax', attributes: { keepdims: 1 } }),
  ArgMax: ({ axis }) => ({ type: 'ArgMax', attributes: { axis, keepdims: 1 } }),
  Reshape: plain('Reshape'),
  Transpose: ({ perm }) => ({ type: 'Transpose', attributes: { perm } }),
  Concat: ({ axis }) => ({ type: 'Concat', attributes: { axis } }),
  Split: ({ axis }) => ({ type: 'Split', attributes: { axis } }),
  Shape: ({ start, end }) => ({ type: 'Shape', attributes: { start, end } }),
  Expand: plain('Expand'),
  Slice: plain('Slice'),
  Pad: plain('Pad'),
  Gather: () => ({ type: 'Gather', attributes: { axis: 0 } }),
  ScatterND: () => ({ type: 'ScatterND', attributes: { reduction: 'add' } }),
  GatherElements: () => ({ type: 'GatherElements', attributes: { axis: -1 } }),
  ScatterElements: () => ({ type: 'ScatterElements', attributes: { axis: -1, reduction: 'add' } }),
  Where: plain('Where'),
  Cast: ({ to }) => ({ type: 'Cast', attributes: { to: DATA_TYPE[to] } }),
  Equal: plain('Equal'),
  Less: plain('Less'),
  LessOrEqual: plain('LessOrEqual'),
  And: plain('And'),
  Or: plain('Or'),
  Loop: ({ body }) => ({ type: 'Loop', attributes: { body: { body } }, reads: 1 + body.states.length }),
};

const BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  int8: 1,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

const DATA_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

function plain(type: string): () => Encoding {
  return () => ({ type });
}

const tag = (field: number, wireType: number): number => (field << 3) | wireType;

function message(writer: protobuf.Writer, field: number, write: (writer: protobuf.Writer) => unknown): void {
  writer.uint32(tag(field, 2)).fork();
  write(writer);
  writer.ldelim();
}

function writeGraph(w: protobuf.Writer, graph: Graph, form: GraphForm, initialisers: ReadonlySet<string>): void {
  const { nodes: needed, constants } = writtenAs(form, neededNodes(graph));
  const used = new Set(namesRead(needed));
  // A value that a node makes goes by the name of the output; what is an input or goes out twice is copied.
  const names = new Map<string, string>();
  const made = new Set(needed.flatMap((node) => node.outputs.map((output) => output.name)));
  const copied = graph.outputs.filter(({ name, value }) => {
    if (!made.has(value.name) || names.has(value.name)) return true;
    names.set(value.name, name);
    return false;
  });
  const nameOf = (value: Value): string => names.get(value.name) ?? value.name;
  for (const node of needed) message(w, 1, (inner) => writeNode(inner, node, nameOf));
  for (const { name, value } of copied) {
    message(w, 1, (inner) =>
      inner.uint32(tag(1, 2)).string(nameOf(value)).uint32(tag(2, 2)).string(name).uint32(tag(4, 2)).string('Identity'),
    );
    used.add(value.name);
  }
  w.uint32(tag(2, 2)).string(graph.name);
  for (const [name, tensor] of [...graph.constants, ...constants])
    if (used.has(name)) message(w, 5, (inner) => writeTensor(inner, name, tensor));
  for (const input of graph.inputs) {
    if (!used.has(input.name)) continue;
    if (initialisers.has(input.name)) message(w, 5, (inner) => writeExternalTensor(inner, input));
    else message(w, 11, (inner) => writeValueInfo(inner, input.name, input));
  }
  for (const { name, value } of graph.outputs) message(w, 12, (inner) => writeValueInfo(inner, name, value));
}

interface Written {
  readonly nodes: readonly WrittenNode[];
  readonly constants: ReadonlyMap<string, TensorData>;
}

const WRITERS: Readonly<Record<GraphForm, (nodes: readonly GraphNode[]) => Written>> = {
  fused: (nodes) => ({ nodes, constants: new Map() }),
  plain: plainProducts,
  loops: loopKernels,
};

/** In the form that is asked for, the bodies of loops too; their constants stand in the graph around them. */
function writtenAs(form: GraphForm, nodes: readonly GraphNode[]): Written {
  const written = WRITERS[form](nodes);
  const constants = new Map(written.constants);
  return {
    nodes: written.nodes.map((node) => {
      if (!isLoop(node)) return node;
      const { body } = node.attributes;
      const inner = writtenAs(form, body.nodes);
      for (const [name, tensor] of inner.constants) constants.set(name, tensor);
      return { ...node, attributes: { body: { ...body, nodes: inner.nodes as readonly GraphNode[] } } };
    }),
    constants,
  };
}

function namesRead(nodes: readonly WrittenNode[]): string[] {
  return nodes.flatMap((node) => [
    ...node.inputs.map(({ name }) => name),
    ...(isLoop(node) ? namesRead(node.attributes.body.nodes) : []),
  ]);
}

const isLoop = (node: WrittenNode): node is WrittenNode<'Loop'> => node.op === 'Loop';

/** The nodes that lead to the outputs, reading what is given where it is given. */
function neededNodes(graph: Graph): GraphNode[] {
  const wanted = new Set(graph.outputs.map(({ value }) => value));
  const needed = graph.nodes.toReversed().flatMap((node) => {
    if (!node.outputs.some((output) => wanted.has(output))) return [];
    const inputs = node.inputs.map((input) => graph.givens.get(input) ?? input);
    for (const input of inputs) wanted.add(input);
    return [{ ...node, inputs }];
  });
  return needed.reverse();
}

function writeNode(w: protobuf.Writer, node: WrittenNode, nameOf: (value: Value) => string): void {
  const encode = ENCODINGS[node.op] as (attributes: WrittenNode['attributes']) => Encoding;
  const { type, domain, attributes, reads, gives } = encode(node.attributes);
  const names = node.inputs.slice(0, reads).map(nameOf);
  // A loop's second input, the condition to begin, is left out.
  if (isLoop(node)) names.splice(1, 0, '');
  for (const name of names) w.uint32(tag(1, 2)).string(name);
  const outputs = gives?.map((i) => (i === null ? undefined : node.outputs[i])) ?? node.outputs;
  for (const output of outputs) w.uint32(tag(2, 2)).string(output ? nameOf(output) : '');
  w.uint32(tag(3, 2)).string(node.outputs[0]?.name ?? type);
  w.uint32(tag(4, 2)).string(type);
  for (const [name, value] of Object.entries(attributes ?? {}))
    message(w, 5, (inner) => writeAttribute(inner, name, value, nameOf));
  if (domain) w.uint32(tag(7, 2)).string(domain);
}

function writeAttribute(w: protobuf.Writer, name: string, value: Attribute, nameOf: (value: Value) => string): void {
  w.uint32(tag(1, 2)).string(name);
  if (typeof value === 'number') w.uint32(tag(3, 0)).int64(value).uint32(tag(20, 0)).int32(2);
  else if (typeof value === 'string') w.uint32(tag(4, 2)).string(value).uint32(tag(20, 0)).int32(3);
  else if ('body' in value) {
    message(w, 6, (inner) => writeBody(inner, value.body, nameOf));
    w.uint32(tag(20, 0)).int32(5);
  } else if ('float' in value) w.uint32(tag(2, 5)).float(value.float).uint32(tag(20, 0)).int32(1);
  else {
    for (const item of value) w.uint32(tag(8, 0)).int64(item);
    w.uint32(tag(20, 0)).int32(7);
  }
}

/** (round, condition, states) -> (condition, states): a graph of its own, which reads names of the graph around it. */
function writeBody(
  w: protobuf.Writer,
  { index, states, nodes, next }: LoopBody,
  nameOf: (value: Value) => string,
): void {
  const [before, after] = [`${index.name}_before`, `${index.name}_after`];
  for (const node of nodes) message(w, 1, (inner) => writeNode(inner, node, nameOf));
  message(w, 1, (inner) =>
    inner.uint32(tag(1, 2)).string(before).uint32(tag(2, 2)).string(after).uint32(tag(4, 2)).string('Identity'),
  );
  w.uint32(tag(2, 2)).string(`${index.name}_body`);
  const declare = (field: number, value: Value): void =>
    message(w, field, (inner) => writeValueInfo(inner, value.name, value));
  // A state's shape may change from round to round.
  const unshaped = (field: number, { name, dtype }: Value): void =>
    message(w, field, (inner) => {
      inner.uint32(tag(1, 2)).string(name);
      message(inner, 2, (type) => message(type, 1, (tensor) => tensor.uint32(tag(1, 0)).int32(DATA_TYPE[dtype])));
    });
  declare(11, index);
  declare(11, { name: before, dtype: 'bool', shape: [] });
  for (const state of states) unshaped(11, state);
  declare(12, { name: after, dtype: 'bool', shape: [] });
  for (const state of next) unshaped(12, state);
}

function writeExternalTensor(w: protobuf.Writer, { name, dtype, shape }: Value): void {
  let bytes = BYTES[dtype];
  for (const dim of shape) {
    if (typeof dim === 'string') throw new ShapeError(`"${name}" cannot be an initialiser: its axis "${dim}" is open`);
    w.uint32(tag(1, 0)).int64(dim);
    bytes *= dim;
  }
  w.uint32(tag(2, 0)).int32(DATA_TYPE[dtype]);
  w.uint32(tag(8, 2)).string(name);
  for (const [key, value] of [
    ['location', name],
    ['offset', '0'],
    ['length', String(bytes)],
  ] as const)
    message(w, 13, (entry) => entry.uint32(tag(1, 2)).string(key).uint32(tag(2, 2)).string(value));
  w.uint32(tag(14, 0)).int32(1); // data_location: external
}

function writeTensor(w: protobuf.Writer, name: string, { dtype, dims, data }: TensorData): void {
  for (const dim of dims) w.uint32(tag(1, 0)).int64(dim);
  w.uint32(tag(2, 0)).int32(DATA_TYPE[dtype]);
  w.uint32(tag(8, 2)).string(name);
  w.uint32(tag(9, 2)).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValueInfo(w: protobuf.Writer, name: string, { dtype, shape }: Value): void {
  w.uint32(tag(1, 2)).string(name);
  message(w, 2, (type) =>
    message(type, 1, (tensor) => {
      tensor.uint32(tag(1, 0)).int32(DATA_TYPE[dtype]);
      message(tensor, 2, (dims) => {
        for (const dim of shape) {
          message(dims, 1, (inner) =>
            typeof dim === 'number' ? inner.uint32(tag(1, 0)).int64(dim) : inner.uint32(tag(2, 2)).string(dim),
          );
        }
      });
    }),
  );
}
