#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: ReduceSum (and ReduceMean) over the last axis gives two equal rows of one tensor two sums. The order in which
# a row is summed follows from where it begins in memory: what stands before the first whole vector is added apart. With rows of a
# multiple of 16 numbers all begin alike, and the sums are equal; with others the last bits follow from the row's place in the batch.
# Softmax and ReduceMax of the same rows are equal to the last bit. So a batch of other rows, or the same rows in another order, may give
# a row another sum, with one thread as with several.
#
# Seen (x86-64, AVX-512), of 100 rows of 1,001 numbers, each 17 times in a tensor, those with several results: ReduceSum 83, ReduceMean
# 75, Softmax 0, ReduceMax 0; of 1,024 numbers: 0 of each.
#
# Needs Python 3 with venv. Fails when any of this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

ROWS = 17  # more than places that a row can begin at within 64 bytes


def session(op, length):
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1])
    inputs, settings = (["x"], {"axis": -1}) if op == "Softmax" else (["x", "axes"], {"keepdims": 1})
    graph = helper.make_graph(
        [helper.make_node(op, inputs, ["y"], **settings)],
        op,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, length])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [] if op == "Softmax" else [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


for length in (1001, 1024):
    seen = {}
    for op in ("ReduceSum", "ReduceMean", "Softmax", "ReduceMax"):
        run, seen[op] = session(op, length), 0
        for seed in range(100):
            row = np.random.default_rng(seed).random(length, dtype=np.float32)
            (y,) = run.run(None, {"x": np.repeat(row[None], ROWS, axis=0)})
            seen[op] += len({result.tobytes() for result in y}) > 1
    print(length, seen)
    several = length % 16 != 0
    assert (seen["ReduceSum"] > 0) == several and (seen["ReduceMean"] > 0) == several, "changed"
    assert seen["Softmax"] == 0 and seen["ReduceMax"] == 0, "changed"
PYTHON
