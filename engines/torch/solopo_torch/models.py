"""
Causal language models of any architecture that transformers has, loaded from a folder. Code that comes with a model is never run.

Legend of shapes: B rows, T columns, d hidden size.
"""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from . import attention
from .attention import Layout, Seeing, laid_out
from .device import Memory, return_freed
from .errors import ModelError
from .fused import fuse
from .head import Head
from .lora import PEFT_PREFIX, LoraOptions, attach
from .ranks import ALONE, Ranks
from .sequence import Split
from .sharding import Shell, own_part

T = TypeVar("T")
Precision = Literal["float32", "bfloat16"]
DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class AdapterSource:
    options: LoraOptions
    weights: str | None = None
    """PEFT's safetensors file; None: fresh from the seed."""
    seed: int = 0


@dataclass(frozen=True)
class ModelSource:
    """Which weights to use."""

    folder: str
    """A Hugging Face model folder."""
    weights: str | None = None
    """A policy version of full-parameter training: a safetensors file in place of the folder's."""
    adapter: AdapterSource | None = None
    precision: Precision = "float32"

    @staticmethod
    def of(source: Mapping[str, Any]) -> ModelSource:
        """As it stands in a message."""
        adapter = source.get("adapter")
        precision = source.get("precision", "float32")
        if precision not in DTYPES:
            raise ModelError(f"precision is {precision!r}; choose float32 or bfloat16")
        if source.get("frozenWeights", "float32") != "float32":
            raise ModelError(
                "the torch engine keeps frozen weights in the run's precision: leave frozenWeights at float32 and choose "
                "precision bfloat16, or choose engine onnx"
            )
        return ModelSource(
            folder=source["folder"],
            weights=source.get("weights"),
            adapter=None
            if adapter is None
            else AdapterSource(LoraOptions.of(adapter["options"]), adapter.get("weights"), adapter.get("seed", 0)),
            precision=precision,
        )


@dataclass
class LanguageModel:
    """A model as the engine runs it."""

    module: PreTrainedModel | PeftModel
    """With its adapter, where there is one."""
    causal: PreTrainedModel
    """The model itself, adapted layers in their places."""
    source: ModelSource
    device: torch.device
    ranks: Ranks = ALONE
    """That hold the model together."""
    shell: Shell | None = None
    """Where they do, what its parts are run within."""
    file_names: Mapping[str, str] | None = None
    """Of each tensor its name in the model's files, where ranks hold the model and the files' tensors are its own."""
    head: Head = field(init=False)
    shares_prompts: bool = field(init=False, default=False)
    """Whether branches of a tree share a row, and prefixes can be constant."""

    def __post_init__(self) -> None:
        self.head = Head(self.causal)
        self.module.eval()
        self.shares_prompts = self._asks_for_attention and _agrees_with_rows_apart(self)
        if self.split is not None:
            _demand_divisible(self)
        if not self.shares_prompts:
            print(
                f"{type(self.causal).__name__} is no model of attention alone: prompts are run for each branch",
                flush=True,
            )

    @property
    def config(self) -> PreTrainedConfig:
        return self.causal.config.get_text_config(decoder=True)

    @property
    def vocab_size(self) -> int:
        return self.head.vocab_size

    @property
    def split(self) -> Split | None:
        """How the columns of a sequence are divided among ranks."""
        return None if self.ranks.sequence_ranks == 1 else Split(self.ranks)

    def within(self, function: Callable[[], T]) -> T:
        """Runs parts of the model: where ranks hold it together, its tensors are whole meanwhile."""
        return function() if self.shell is None else self.shell.run(function)

    def sum_gradients(self) -> None:
        """After the last backward pass of a step: where ranks hold the model, all gradients are sums over the ranks from here on."""
        if self.shell is not None:
            self.shell.tables.sum_gradients()

    @property
    def _asks_for_attention(self) -> bool:
        return self.config._attn_implementation == attention.NAME

    @property
    def _rotary(self) -> tuple[str | None, int]:
        """The kind of rotary embedding that depends on a sequence's length, and the length from which it does."""
        parameters = getattr(self.config, "rope_parameters", None) or {}
        for each in [parameters, *(value for value in parameters.values() if isinstance(value, dict))]:
            kind = each.get("rope_type", "default")
            if kind in ("dynamic", "longrope"):
                known = each.get("original_max_position_embeddings") or self.config.max_position_embeddings
                return kind, int(known)
        return None, 0

    @property
    def rotates_alike_up_to(self) -> float:
        """Longest sequence whose tokens are rotated by their positions alone."""
        kind, known = self._rotary
        return float("inf") if kind is None else known

    def rows_rotated_alike(self, lengths: Sequence[int]) -> list[list[int]]:
        """Rows in groups that can be one pass: transformers rotates a whole batch by its longest sequence."""
        kind, known = self._rotary
        if kind is None:
            return [list(range(len(lengths)))]
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            group = 0 if length <= known else 1 if kind == "longrope" else length
            groups.setdefault(group, []).append(row)
        return list(groups.values())

    @property
    def cache_bytes_per_token(self) -> int:
        """What keys and values take."""
        config = self.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return 2 * config.num_hidden_layers * heads * size * DTYPES[self.source.precision].itemsize

    def hidden_states(self, tokens: Tensor, layout: Seeing, longest: int) -> Tensor:
        """
        The decoder's output [B, T, d], after its last norm, of tokens [B, T]; of this rank's columns where the layout is split.

        `longest`: the length of the batch's longest sequence, of which the tokens may be a part.
        """
        if not isinstance(layout, Layout):
            self._forget_lengths()
            return self._run(tokens, layout)
        if not self.shares_prompts and (layout.prefix is not None or layout.keep is not None):
            raise ModelError(
                f"{type(self.causal).__name__} cannot take a prompt whose first part is run without gradients: "
                "its layers read more than keys and values; set alignment.backward to full"
            )
        if self.ranks.count > 1 and longest > self.rotates_alike_up_to:
            raise ModelError(
                f"rotary embeddings of type {self._rotary[0]} depend on the length of a sequence beyond "
                f"{self.rotates_alike_up_to} tokens, which several ranks do not see; train this model on one rank, or on "
                "shorter contexts"
            )
        self._forget_lengths()
        columns = tokens.shape[1]
        if longest > self.rotates_alike_up_to and int(layout.positions.max()) + 1 < longest:
            tokens, layout = _with_last_position(tokens, layout, longest - 1)
        hidden = self._run(tokens, layout)
        if layout.keep is not None:
            for layer, (key, value) in layout.keep.layers.items():
                layout.keep.layers[layer] = (key[:, :, :columns], value[:, :, :columns])
        return hidden[:, :columns]

    def _run(self, tokens: Tensor, layout: Seeing) -> Tensor:
        # A mask of ones: without any, sequences are guessed from where positions fall.
        positions = layout.positions
        if layout.split is not None:
            tokens, positions = layout.split.columns_of(tokens), layout.split.columns_of(positions)
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "use_cache": False}
        if not self.shares_prompts:
            return self.head.decoder(**inputs).last_hidden_state
        with laid_out(layout):
            return self.head.decoder(**inputs, position_ids=positions).last_hidden_state

    def _forget_lengths(self) -> None:
        """transformers goes on with the frequencies of the longest sequence that dynamic scaling has seen."""
        if self._rotary[0] != "dynamic":
            return
        for module in self.causal.modules():
            if hasattr(module, "max_seq_len_cached"):
                module.max_seq_len_cached = module.original_max_seq_len
                module.inv_freq = module.original_inv_freq

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """The base model's distribution."""
        if isinstance(self.module, PeftModel):
            with self.module.disable_adapter():
                yield
        else:
            yield

    def find_not_finite(self) -> str | None:
        """The first parameter with values that are not finite, by its name in the model's files."""
        for name, parameter in self.module.named_parameters():
            if not bool(torch.isfinite(own_part(parameter)).all()):
                return name.replace(".base_layer.", ".").replace(".default.", ".").removeprefix(PEFT_PREFIX)
        return None


def _with_last_position(tokens: Tensor, layout: Layout, position: int) -> tuple[Tensor, Layout]:
    """One more column, which nothing sees, at the sequence's last position: its length is known by it."""
    rows, columns = tokens.shape
    before = layout.prefix.columns if layout.prefix is not None else 0

    def wider(table: Tensor, value: int) -> Tensor:
        return torch.cat([table, table.new_full((rows, 1), value)], 1)

    return wider(tokens, 0), replace(
        layout,
        positions=wider(layout.positions, position),
        prompt_end=wider(layout.prompt_end, 0),
        branch_start=wider(layout.branch_start, before + columns),
        _keys=None,
    )


def _demand_divisible(model: LanguageModel) -> None:
    heads, parts = model.config.num_attention_heads, model.ranks.sequence_ranks
    if heads % parts != 0:
        fitting = [str(count) for count in range(1, heads + 1) if heads % count == 0]
        raise ModelError(
            f"{parts} ranks cannot share the sequences of a model with {heads} attention heads: each needs the same number; "
            f"set sequenceRanks to one of {', '.join(fitting)}"
        )
    if not model.shares_prompts:
        raise ModelError(
            f"{type(model.causal).__name__} is no model of attention alone, of which ranks can share sequences; "
            "set sequenceRanks to 1"
        )


@torch.no_grad()
def _agrees_with_rows_apart(model: LanguageModel) -> bool:
    """Whether two branches behind one prompt, a part of it constant, have the hidden states that they have apart."""
    from .trees import Tree, pack, target_states

    tree = Tree(torch.arange(5), [torch.arange(4) + 5, torch.arange(4) + 9])
    tree = Tree(tree.prompt % model.vocab_size, [branch % model.vocab_size for branch in tree.branches])

    def states(of: Tree) -> Tensor:
        batch = pack(model, [of], split=False)
        return model.within(lambda: target_states(model, batch)).float()

    model.shares_prompts = False
    apart = states(tree)
    model.shares_prompts = True
    tolerance = 1e-3 if model.source.precision == "float32" else 0.1
    try:
        for each in (tree, replace(tree, constant=3)):
            together = states(each)
            # Weights that are not finite are told of where numbers are asked for.
            if bool(torch.isfinite(apart).all()) and not bool((together - apart).norm() <= tolerance * apart.norm()):
                return False
    except torch.OutOfMemoryError:
        raise
    except (KeyError, AttributeError, IndexError, RuntimeError, TypeError) as error:
        if model.shell is not None:
            raise ModelError(
                f"{type(model.causal).__name__} cannot be run by several ranks: {_first_line(error)}; train it on one"
            ) from error
        return False
    return True


class Models:
    """Opens models. The base under one adapter after another is read once."""

    def __init__(self, device: torch.device, memory: Memory, ranks: Ranks = ALONE) -> None:
        self.device = device
        self.memory = memory
        self.ranks = ranks
        self._base: tuple[tuple[str, Precision], PreTrainedModel] | None = None
        self._spread: LanguageModel | None = None

    def open(self, source: ModelSource, *, trained: bool = False) -> LanguageModel:
        """
        `trained`: for gradient steps of what the source trains, which are taken in float32.

        Raises ModelError that names what does not fit, and DeviceMemoryError before anything is read.
        """
        if self.ranks.count > 1:
            from .spread_model import change_adapter, has_base_of, open_spread

            if self._spread is not None and has_base_of(self._spread, source):
                change_adapter(self.ranks, self._spread, source)
            else:
                self._spread = None
                self._spread = open_spread(self, source, trained=trained)
            return self._spread
        if source.adapter is None:
            self._base = None
            causal = self._read(source)
            return LanguageModel(causal, causal, source, self.device)
        key = (source.folder, source.precision)
        if self._base is None or self._base[0] != key:
            self._base = None
            self._base = (key, self._read(source))
        causal = self._base[1]
        try:
            module = attach(causal, source.adapter.options, source.adapter.weights, source.adapter.seed)
        except BaseException:
            self._base = None
            raise
        return LanguageModel(module.to(self.device), causal, source, self.device)

    def close(self, model: LanguageModel) -> None:
        """Takes the adapter off again; of other models nothing is kept."""
        if model.ranks.count > 1:
            if model.source.adapter is None and self._spread is model:
                self._spread = None
            return
        if isinstance(model.module, PeftModel):
            model.module.unload()
            for parameter in model.causal.parameters():
                parameter.requires_grad_(False)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _read(self, source: ModelSource) -> PreTrainedModel:
        return self.read_to(source, self.device)

    def read_to(self, source: ModelSource, device: torch.device) -> PreTrainedModel:
        """The whole base, on one device."""
        folder = Path(source.folder)
        config = read_config(folder)
        # Modules refer to each other in circles: those of the model before are still there.
        gc.collect()
        files = [Path(source.weights)] if source.weights is not None else weight_files(folder)
        self.memory.demand(bytes_of(files, DTYPES[source.precision]), f"the model {folder.name} in {source.precision}")
        with tempfile.TemporaryDirectory() as other:
            if source.weights is not None:
                # As a folder: transformers renames and joins tensors only of those.
                (Path(other) / "config.json").write_bytes((folder / "config.json").read_bytes())
                (Path(other) / "model.safetensors").symlink_to(Path(source.weights).resolve())
            model = from_folder(Path(other) if source.weights is not None else folder, config, source, device)
        return_freed()
        return model


def from_folder(folder: Path, config: PreTrainedConfig, source: ModelSource, device: torch.device) -> PreTrainedModel:
    what = source.weights or source.folder
    implementation = implementation_for(config, source)
    loader: Any = AutoModelForCausalLM
    try:
        model, told = loader.from_pretrained(
            folder,
            config=config,
            dtype=DTYPES[source.precision],
            attn_implementation=implementation,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **_dequantised(config, source.folder),
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(f"{what} cannot be loaded: {_first_line(error)}; check the model's files") from error
    if told["missing_keys"]:
        name = min(told["missing_keys"])
        raise ModelError(f'tensor "{name}" is missing from {what}; download the model again')
    if told["unexpected_keys"]:
        name = min(told["unexpected_keys"])
        raise ModelError(
            f'{what} holds a tensor "{name}" that config.json has no place for; check that they belong together'
        )
    return prepare(model.to(device))


def implementation_for(config: PreTrainedConfig, source: ModelSource) -> str | None:
    """The attention that the model is asked to use, where it can be asked."""
    try:
        model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        raise ModelError(
            f'transformers has no causal language model for model_type "{config.model_type}" of {source.folder}; '
            "use a model that generates text"
        ) from None
    return attention.NAME if model_class._can_set_attn_implementation() else None


def prepare(model: PreTrainedModel) -> PreTrainedModel:
    """The model as the engine runs it, its parameters frozen."""
    model.requires_grad_(False)
    _without_dropout(model)
    fuse(model)
    return model


def _dequantised(config: PreTrainedConfig, folder: str) -> dict[str, Any]:
    """GPT-OSS comes in 4-bit blocks, which are opened; nothing is trained over others."""
    quantised = getattr(config, "quantization_config", None)
    if quantised is None:
        return {}
    method = quantised.get("quant_method") if isinstance(quantised, dict) else getattr(quantised, "quant_method", None)
    if method != "mxfp4":
        raise ModelError(f"{folder} holds weights quantised by {method}; use the model in float32, float16 or bfloat16")
    from transformers.utils.quantization_config import Mxfp4Config

    return {"quantization_config": Mxfp4Config(dequantize=True)}


def _without_dropout(model: nn.Module) -> None:
    """A step is a function of its data."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]


def read_config(folder: Path) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{folder} needs Python code of its own, which is never run; use a model whose architecture transformers has"
            ) from error
        raise ModelError(
            f"config.json of {folder} cannot be used: {_first_line(error)}; check the model's files"
        ) from error


def weight_files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    files = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    for name in sorted(files):
        if not (folder / name).exists():
            raise ModelError(f"{folder} has no {name}; download the model with its weights as safetensors")
    return [folder / name for name in sorted(files)]


def bytes_of(files: Sequence[Path], dtype: torch.dtype) -> int:
    """What the tensors of the files take in memory, from their headers alone."""
    count = 0
    for file in files:
        try:
            with file.open("rb") as stream:
                header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        except (OSError, ValueError, MemoryError) as error:
            raise ModelError(f"{file} is no safetensors file: {_first_line(error)}; download it again") from error
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            size = 1
            for dim in tensor["shape"]:
                size *= dim
            # Blocks of 4-bit numbers are two a byte.
            count += 2 * size if name.endswith("_blocks") else size
    return count * dtype.itemsize


def metadata_of(file: str) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return dict(opened.metadata() or {})


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".;") if lines else type(error).__name__
