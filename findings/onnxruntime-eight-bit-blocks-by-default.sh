#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: MatMulNBits, by the accuracy level that it has unless one is given, multiplies one row by a matrix of 8 bits
# ten times slower than by the same matrix of 4 bits, and several times slower than MatMul multiplies it by the matrix in float32.
# There is a kernel for 4 bits at that level, and none for 8: there the whole matrix is made float32 in every run. With
# `accuracy_level: 4` (rows rounded to 8 bits) 8 bits are ten times as fast as without. So the step from 4 bits to 8, taken for
# exactness, makes a model that decodes slower than its float32 original, unless that attribute is set.
#
# Seen (x86-64, AVX-512 VNNI; one thread, 1 x 576 by 576 x 1536, blocks of 32, best of 25): float32 0.28 ms; 4 bits 0.15; 8 bits 1.46;
# 8 bits at level 4 0.13.
#
# Needs Python 3 with venv, and Linux. Says so and ends well on a processor without AVX2, where it was not tried. Fails when less than
# a factor of 2 is left of any of these.
set -euo pipefail
grep -qw avx2 /proc/cpuinfo || {
  echo 'not measured: this processor has no AVX2'
  exit 0
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

K, N, BLOCK = 576, 1536, 32
random = np.random.default_rng(0)
matrix = random.standard_normal((N, K), dtype=np.float32)
row = random.standard_normal((1, K), dtype=np.float32)


def session(node, initialisers):
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, N])],
        [numpy_helper.from_array(value, name) for name, value in initialisers.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def in_blocks(bits, **level):
    blocks = matrix.reshape(N, K // BLOCK, BLOCK)
    scales = np.abs(blocks).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    values = (np.rint(blocks / scales) + 2 ** (bits - 1)).astype(np.uint8)
    packed = values[..., 0::2] | (values[..., 1::2] << 4) if bits == 4 else values
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft", K=K, N=N, bits=bits, block_size=BLOCK, **level
    )
    return session(node, {"w": packed, "scales": scales.reshape(-1)})


sides = {
    "float32": session(helper.make_node("MatMul", ["x", "w"], ["y"]), {"w": np.ascontiguousarray(matrix.T)}),
    "4 bits": in_blocks(4),
    "8 bits": in_blocks(8),
    "8 bits, level 4": in_blocks(8, accuracy_level=4),
}
exact = row @ matrix.T
best = {}
for _ in range(25):
    for name, product in sides.items():
        started = time.perf_counter()
        (y,) = product.run(None, {"x": row})
        best[name] = min(best.get(name, np.inf), 1000 * (time.perf_counter() - started))
        assert np.linalg.norm(y - exact) < 0.15 * np.linalg.norm(exact)
print({name: f"{ms:.3f} ms" for name, ms in best.items()})
for name in ("float32", "4 bits", "8 bits, level 4"):
    assert best["8 bits"] > 2 * best[name], f"changed: {name}"
PYTHON
