"""What transformers makes of folders as people bring them, and PEFT of adapters on one of them: log-probabilities. The fixture of
libs/lm/src/checkpoints.parity.test.ts.

    node tools/parity/checkpoints.mjs FOLDER
    python tools/parity/checkpoints.py FOLDER libs/lm/src/fixtures/checkpoints.json"""

import json
import pathlib
import sys
import warnings

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, logging

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore")
folder = pathlib.Path(sys.argv[1])
inputs = json.loads((folder / "inputs.json").read_text())


def load(name):
    return AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32, attn_implementation="eager").eval()


@torch.no_grad()
def logps(model):
    """By tree and branch, of the response's tokens, each sequence run alone."""
    rows = []
    for tree in inputs["trees"]:
        for branch in tree["branches"]:
            logits = model(input_ids=torch.tensor([tree["prompt"] + branch])).logits[0, len(tree["prompt"]) - 1 : -1]
            row = torch.log_softmax(logits.float(), -1).gather(-1, torch.tensor(branch)[:, None])[:, 0]
            rows.append([float(f"{value:.9g}") for value in row.tolist()])
    return rows


BASE = "llama"
QV = ["q_proj", "v_proj"]
# LoraConfig's arguments, and what stands in the file in place of what PEFT has made of them.
ADAPTERS = {
    "names": (dict(target_modules=QV), {}),
    "no names": (dict(), dict(target_modules=None)),
    "dotted names": (dict(target_modules=["self_attn.q_proj", "layers.1.mlp.down_proj"]), {}),
    "whole names": (dict(target_modules=["model.layers.0.self_attn.q_proj", "v_proj"]), {}),
    "a regular expression": (dict(target_modules=r".*self_attn\.(q|v)_proj"), {}),
    "a regular expression that looks ahead": (
        dict(target_modules=r"^model(?!.*(?:lm_head|\.o_proj)).*\.layers\.\d+\.self_attn\.(?P<which>[qko]_proj)$"),
        {},
    ),
    "a regular expression with a flag": (dict(target_modules=r"(?i).*\.MLP\.(UP|down){1,1}_proj\Z"), {}),
    "all-linear": (dict(target_modules="all-linear"), dict(target_modules="all-linear")),
    "all-linear, as it is saved": (dict(target_modules="all-linear"), {}),
    "excluded names": (dict(target_modules=QV + ["o_proj"], exclude_modules=["v_proj", "layers.0.self_attn.o_proj"]), {}),
    "excluded by a regular expression": (dict(target_modules="all-linear", exclude_modules=r".*\.1\..*|.*mlp.*"), {}),
    "one layer": (dict(target_modules=QV, layers_to_transform=1), {}),
    "layers behind a pattern": (dict(target_modules=QV, layers_to_transform=[0], layers_pattern="layers"), {}),
    "a whole name in a layer that is left out": (
        dict(target_modules=["model.layers.0.self_attn.q_proj", "v_proj"], layers_to_transform=[1]),
        {},
    ),
    "ranks and alphas of their own": (
        dict(
            target_modules=QV,
            rank_pattern={"q_proj": 3, r"layers\.1\.self_attn\.v_proj": 1},
            alpha_pattern={"^model.layers.0.self_attn.q_proj": 7, "v_proj": 2.5, "q_proj|v_proj": 5},
            use_rslora=True,
        ),
        {},
    ),
    "fan_in_fan_out": (dict(target_modules=QV, fan_in_fan_out=True), dict(fan_in_fan_out=True)),
    "gaussian": (dict(target_modules=QV, init_lora_weights="gaussian"), {}),
    "orthogonal": (dict(target_modules=QV, init_lora_weights="orthogonal"), {}),
    "mica": (dict(target_modules=QV, init_lora_weights="mica"), {}),
    "dora": (dict(target_modules=QV + ["down_proj"], use_dora=True, rank_pattern={"q_proj": 3}), {}),
    "olora": (dict(target_modules=QV + ["down_proj"], init_lora_weights="olora"), {}),
}


def fill(tensors):
    """Numbers that are the same everywhere."""
    for index, name in enumerate(sorted(tensors)):
        at = torch.arange(tensors[name].numel())
        tensors[name] = (((7 * at + 13 * index) % 31 - 15) / 32).float().reshape(tensors[name].shape)
    return tensors


def adapter(name, arguments, instead):
    path = folder / "adapters" / name
    config = LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=3, **arguments)
    get_peft_model(load(BASE), config).save_pretrained(path)
    tensors = fill(load_file(path / "adapter_model.safetensors"))
    save_file(tensors, path / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = json.loads((path / "adapter_config.json").read_text()) | instead
    (path / "adapter_config.json").write_text(json.dumps(settings))
    return dict(
        config=settings,
        tensors={name: list(tensors[name].shape) for name in sorted(tensors)},
        logps=logps(PeftModel.from_pretrained(load(BASE), path).eval()),
    )


fixture = {
    "versions": {"transformers": transformers.__version__, "peft": peft.__version__, "torch": torch.__version__},
    "models": {
        name: dict(digest=digest, logps=logps(load(name))) for name, digest in inputs["digests"].items()
    },
    "adapters": {name: adapter(name, *settings) for name, settings in ADAPTERS.items()},
}
base = torch.tensor(sum(fixture["models"][BASE]["logps"], []))
for name, of in fixture["adapters"].items():
    difference = (torch.tensor(sum(of["logps"], [])) - base).abs().max().item()
    print(f"{name}: {len(of['tensors'])} matrices, {difference:.2f} from the base")
    assert difference > 1e-2, name
json.dump(fixture, open(sys.argv[2], "w"), separators=(",", ":"))
