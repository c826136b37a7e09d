from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from families import FAMILIES
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from solopo_torch.device import Memory, choose_device
from solopo_torch.errors import DeviceMemoryError, ModelError
from solopo_torch.lora import PEFT_PREFIX, LoraOptions, adapter_parameters
from solopo_torch.models import AdapterSource, Models, ModelSource
from solopo_torch.philox import stream_floats
from solopo_torch.trees import Tree, pack, response_logps

FolderOf = Callable[..., Path]

LORA = LoraOptions(rank=4, alpha=8, targets=("q_proj", "v_proj", "down_proj"), rs_lora=False)
TREE = Tree(torch.arange(3, 12), [torch.arange(20, 24), torch.arange(30, 33)])


def scores(models: Models, source: ModelSource) -> torch.Tensor:
    model = models.open(source)
    found = response_logps(model, pack(model, [TREE])).logps.detach()
    models.close(model)
    return found


def copy(folder: Path, tmp_path: Path, **config: object) -> Path:
    made = tmp_path / "model"
    shutil.copytree(folder, made)
    file = made / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return made


def test_a_fresh_adapter_is_drawn_from_the_seed_and_changes_nothing(models: Models, folder_of: FolderOf) -> None:
    folder = str(folder_of("qwen2"))
    model = models.open(ModelSource(folder, adapter=AdapterSource(LORA, seed=11)))
    matrices = adapter_parameters(model.module)
    name = "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"
    # libs/lm/src/lora.ts: uniform in +-1 / sqrt(inputs), from a stream named by the matrix.
    drawn = stream_floats(4 * 48, "lora", 11, "model.layers.1.mlp.down_proj.lora_A.weight")
    torch.testing.assert_close(
        matrices[name], torch.from_numpy((2 * drawn - 1) / 48**0.5).float().reshape(4, 48), atol=0, rtol=0
    )
    assert all(bool((matrix == 0).all()) == (".lora_B." in name) for name, matrix in matrices.items())
    assert len(matrices) == 2 * 3 * 2
    models.close(model)
    assert torch.equal(
        scores(models, ModelSource(folder, adapter=AdapterSource(LORA))), scores(models, ModelSource(folder))
    )


@pytest.mark.parametrize(
    ("family", "targets"),
    [
        *((family, ("q_proj", "o_proj")) for family in ("llama", "phi3", "gpt_oss", "qwen3_moe")),
        ("gpt_neox", ("query_key_value", "dense_4h_to_h")),
        ("bloom", ("query_key_value", "dense")),
        ("falcon", ("dense_h_to_4h",)),
        ("gpt2", ("c_attn", "c_proj")),
    ],
)
def test_an_adapter_is_what_peft_makes_of_its_file(
    family: str, targets: tuple[str, ...], models: Models, folder_of: FolderOf, tmp_path: Path
) -> None:
    folder = str(folder_of(family))
    options = LoraOptions(rank=4, alpha=8, targets=targets, rs_lora=True)
    model = models.open(ModelSource(folder, adapter=AdapterSource(options)))
    torch.manual_seed(1)
    for matrix in adapter_parameters(model.module).values():
        matrix.data += torch.randn_like(matrix) * 0.2
    assert isinstance(model.module, PeftModel)
    model.module.save_pretrained(str(tmp_path))
    changed = response_logps(model, pack(model, [TREE])).logps.detach()
    with model.without_adapter():
        base = response_logps(model, pack(model, [TREE])).logps.detach()
    models.close(model)
    assert torch.equal(base, scores(models, ModelSource(folder)))
    assert float((changed - base).abs().max()) > 0.01

    file = str(tmp_path / "adapter_model.safetensors")
    again = scores(models, ModelSource(folder, adapter=AdapterSource(options, file)))
    torch.testing.assert_close(again, changed, atol=1e-6, rtol=0)
    reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(tmp_path)).eval()
    with torch.no_grad():
        row = torch.cat([TREE.prompt, TREE.branches[1]])
        logps = reference(input_ids=row[None], use_cache=False).logits[0].log_softmax(-1)
    torch.testing.assert_close(changed[4:], logps[8:-1].gather(1, row[9:, None])[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["llama", "phi3", "gpt_neox", "falcon", "gpt2"])
def test_all_linear_layers_are_those_of_peft(family: str, models: Models, folder_of: FolderOf) -> None:
    folder = str(folder_of(family))
    options = LoraOptions.of({"rank": 2, "alpha": 2, "targets": "all-linear"})
    model = models.open(ModelSource(folder, adapter=AdapterSource(options)))
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    reference = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    shapes = {name: parameter.shape for name, parameter in adapter_parameters(reference).items()}
    assert {name: matrix.shape for name, matrix in adapter_parameters(model.module).items()} == shapes


def test_a_layer_that_peft_refuses_is_not_among_all_and_named_where_it_is_asked_for(
    models: Models, folder_of: FolderOf
) -> None:
    folder = str(folder_of("mamba"))
    options = LoraOptions.of({"rank": 2, "alpha": 2, "targets": "all-linear"})
    model = models.open(ModelSource(folder, adapter=AdapterSource(options)))
    adapted = {name.split(".")[-3] for name in adapter_parameters(model.module)}
    models.close(model)
    assert adapted == {"in_proj", "x_proj", "dt_proj"}
    options = LoraOptions.of({"rank": 2, "alpha": 2, "targets": ["out_proj"]})
    with pytest.raises(ModelError, match=r"'out_proj' is incompatible with Mamba.*; name other layers"):
        models.open(ModelSource(folder, adapter=AdapterSource(options)))


def test_an_adapter_that_does_not_fit_is_refused_by_the_tensors_name(
    models: Models, folder_of: FolderOf, tmp_path: Path
) -> None:
    folder = str(folder_of("llama"))
    model = models.open(ModelSource(folder, adapter=AdapterSource(LORA)))
    right = {name: matrix.detach().clone() for name, matrix in adapter_parameters(model.module).items()}
    models.close(model)
    name = PEFT_PREFIX + "model.layers.0.mlp.down_proj.lora_B.weight"
    wrong = [
        ({**right, "extra": torch.zeros(1)}, '"extra"'),
        ({key: value for key, value in right.items() if key != name}, "down_proj.lora_B.weight. is missing"),
        ({**right, name: torch.zeros(3, 4)}, r"has shape \[3, 4\].*ask for \[32, 4\]"),
    ]
    for i, (tensors, told) in enumerate(wrong):
        file = str(tmp_path / f"{i}.safetensors")
        save_file(tensors, file)
        with pytest.raises(ModelError, match=told):
            models.open(ModelSource(folder, adapter=AdapterSource(LORA, file)))
    (tmp_path / "none.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is no safetensors file"):
        models.open(ModelSource(folder, adapter=AdapterSource(LORA, str(tmp_path / "none.safetensors"))))
    # The base is as it was.
    assert torch.equal(
        scores(models, ModelSource(folder, adapter=AdapterSource(LORA))), scores(models, ModelSource(folder))
    )


def test_an_architecture_without_such_layers_says_which_it_has(models: Models, folder_of: FolderOf) -> None:
    with pytest.raises(ModelError, match=r"no linear layer called q_proj, v_proj, down_proj: .*query_key_value"):
        models.open(ModelSource(str(folder_of("bloom")), adapter=AdapterSource(LORA)))


@pytest.mark.parametrize("family", ["gemma3", "qwen3_moe", "gpt_oss"])
def test_a_policy_version_is_read_in_place_of_the_folders_weights(
    family: str, models: Models, folder_of: FolderOf, tmp_path: Path
) -> None:
    folder = folder_of(family)
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.self_attn.v_proj.weight"
    tensors[name] = tensors[name] * -1
    file = str(tmp_path / "version.safetensors")
    save_file(tensors, file)
    found = scores(models, ModelSource(str(folder), weights=file))
    assert float((found - scores(models, ModelSource(str(folder)))).abs().max()) > 0.01
    other = copy(folder, tmp_path)
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    assert torch.equal(found, scores(models, ModelSource(str(other))))


def test_bfloat16_is_near_float32(models: Models, folder_of: FolderOf) -> None:
    folder = str(folder_of("qwen3"))
    rounded = models.open(ModelSource(folder, precision="bfloat16"))
    assert rounded.shares_prompts
    found = response_logps(rounded, pack(rounded, [TREE])).logps.detach()
    assert found.dtype == torch.float32
    assert 0 < float((found - scores(models, ModelSource(folder))).abs().max()) < 0.5


def test_files_that_do_not_fit_are_told_with_what_to_do(models: Models, folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of("llama")
    with pytest.raises(ModelError, match=r"config\.json of /nowhere cannot be used"):
        models.open(ModelSource("/nowhere"))
    with pytest.raises(ModelError, match="never run"):
        models.open(
            ModelSource(str(copy(folder, tmp_path / "a", auto_map={"AutoConfig": "x.Y"}, model_type="unheard_of")))
        )
    with pytest.raises(ModelError, match="quantised by gptq"):
        models.open(
            ModelSource(str(copy(folder, tmp_path / "b", quantization_config={"quant_method": "gptq", "bits": 4})))
        )
    with pytest.raises(ModelError, match="no causal language model"):
        models.open(ModelSource(str(copy(folder, tmp_path / "c", model_type="clip"))))
    without = copy(folder, tmp_path / "d")
    tensors = load_file(without / "model.safetensors")
    lost = tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, without / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r'"model\.layers\.1\.mlp\.up_proj\.weight" is missing'):
        models.open(ModelSource(str(without)))
    save_file(
        {**tensors, "model.layers.1.mlp.up_proj.weight": lost, "more": lost.clone()},
        without / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match='a tensor "more"'):
        models.open(ModelSource(str(without)))
    save_file(
        {**tensors, "model.layers.1.mlp.up_proj.weight": lost[:5]}, without / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        models.open(ModelSource(str(without)))
    (without / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        models.open(ModelSource(str(without)))


def test_room_is_asked_for_before_weights_are_read(folder_of: FolderOf) -> None:
    small = Models(torch.device("cpu"), Memory(choose_device("cpu"), 1))
    with pytest.raises(
        DeviceMemoryError, match=r"the model llama in float32 takes 0\.1 MiB.*choose precision bfloat16"
    ):
        small.open(ModelSource(str(folder_of("llama"))))


def test_of_a_model_that_sees_images_the_text_is_run_and_adapted(models: Models, tmp_path: Path) -> None:
    text = {key: value for key, value in FAMILIES["gemma3"].items() if key != "model_type"}
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision, mm_tokens_per_image=4)
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    model = models.open(ModelSource(str(tmp_path), adapter=AdapterSource(LORA)))
    assert model.shares_prompts
    assert not any("vision" in name for name in adapter_parameters(model.module))
    found = response_logps(model, pack(model, [TREE]))
    reference = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    for b, branch in enumerate(TREE.branches):
        row = torch.cat([TREE.prompt, branch])
        with torch.no_grad():
            logps = reference(input_ids=row[None], use_cache=False).logits[0].float().log_softmax(-1)
        expected = logps[8:-1].gather(1, branch[:, None])[:, 0]
        torch.testing.assert_close(found.of(0, b).detach(), expected, atol=1e-5, rtol=0)
