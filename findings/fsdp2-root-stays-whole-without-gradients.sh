#!/bin/sh
# torch 2.13.0, fully_shard (FSDP2) on a processor with gloo: after a forward pass without gradients the root's own parameters stay put
# together, and the model's parameters() are of two kinds: DTensor for the layers, plain tensors for the root. Whoever builds an optimiser
# after an evaluation has a list that PyTorch's own foreach operations refuse ("got mixed torch.Tensor and DTensor"), and steps a copy
# that the next reshard() throws away. Before the pass, after reshard(), and after a backward pass all are DTensors.
#
# Seen: {DTensor} before; {DTensor, Parameter} after a pass under no_grad, also after the pass's result is gone; {DTensor} after reshard()
# and after forward and backward; a value written to the plain one is gone after reshard().
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
cd "$folder"
CUDA_VISIBLE_DEVICES= "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
mesh = dist.init_device_mesh("cpu", (1,))
model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4))
fully_shard(model[1], mesh=mesh)
fully_shard(model, mesh=mesh)
kinds = lambda: sorted({type(parameter).__name__ for parameter in model.parameters()})

seen = [kinds()]
with torch.no_grad():
    model(torch.ones(2, 4))
seen.append(kinds())
plain = model[0].bias
with torch.no_grad():
    plain.fill_(7.0)
model.reshard()
seen.append(kinds())
kept = bool((model[0].bias.full_tensor() == 7).all())
model(torch.ones(2, 4)).sum().backward()
seen.append(kinds())
print(seen, "written values kept:", kept)
assert seen == [["DTensor"], ["DTensor", "Parameter"], ["DTensor"], ["DTensor"]] and not kept, "changed"
PYTHON
