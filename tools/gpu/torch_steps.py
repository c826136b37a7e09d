"""
The torch engine on random weights of one shape: a SoLoPO step beside one in plain PyTorch, whether steps are equal to the bit, and
answers. `torch_steps.py OPTIONS`, a JSON object: tools/gpu/torch.mjs writes it, and reads lines of JSON: what computes, then a figure
each.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# Before CUDA is there.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from solopo_torch import attention
from solopo_torch.adamw import AdamW
from solopo_torch.device import ChosenDevice, Memory, choose_device, make_deterministic
from solopo_torch.errors import DeviceError
from solopo_torch.lora import LoraOptions, adapter_parameters, attach
from solopo_torch.models import DTYPES, LanguageModel, ModelSource, prepare
from solopo_torch.preference_trainer import PreferenceTrainer
from solopo_torch.sampling import Limits, Prompt, SamplingOptions, sample

SHAPES: Mapping[str, tuple[int, ...]] = {
    # hidden, layers, heads, heads of keys, intermediate, vocabulary, tied
    "tiny": (64, 2, 4, 2, 128, 512, True),
    "0.5B": (896, 24, 14, 2, 4864, 151_936, True),
    "1.5B": (1536, 28, 12, 2, 8960, 151_936, True),
    "7B": (3584, 28, 28, 4, 18_944, 152_064, False),
}
"""Qwen2.5's, and one that a processor runs at once."""
LORA = LoraOptions(
    16, 32.0, ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), rs_lora=False
)
BETA, RATE, CLIP = 0.1, 1e-5, 1.0
LIMITS = {"float32": 1e-3, "bfloat16": 5e-2}
"""How far losses of the same step may be apart. They are about 1, of sums over a response's tokens."""
TAIL = {"tail": 14}


def training(backward: Any) -> Any:
    return {
        "arm": "solo",
        "objective": {"kind": "dpo", "beta": BETA, "loss": "sigmoid", "labelSmoothing": 0},
        "alignment": {
            "alpha": 1,
            "reference": "shared",
            "distance": "absolute",
            "sides": "two",
            "detach": "short",
            "deadZone": 0,
            "fraction": 1,
            "backward": backward,
        },
        "optimizer": {"betas": (0.9, 0.999), "epsilon": 1e-8, "weightDecay": 0},
        "schedule": {
            "learningRate": RATE,
            "schedule": "constant",
            "warmupRatio": 0,
            "finalLearningRateRatio": 1,
        },
        "clipNorm": CLIP,
        "microBatchTokens": 1,
        "steps": 1000,
    }


class Bench:
    """Measures one shape in one precision, figure by figure: one that fails leaves the others."""

    def __init__(self, options: Mapping[str, Any], chosen: ChosenDevice, precision: str, end: float) -> None:
        self.options = options
        self.memory = Memory(chosen, None)
        self.device = torch.device(chosen.device)
        self.precision = precision
        self.end = end
        self.plain: dict[str, Any] | None = None
        self.reference = [-12.0 * options["response"]] * 2
        hidden, layers, heads, kv_heads, intermediate, vocabulary, tied = SHAPES[options["shape"]]
        self.vocabulary = vocabulary
        torch.manual_seed(1)
        config = AutoConfig.for_model(
            "qwen2",
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            intermediate_size=intermediate,
            vocab_size=vocabulary,
            tie_word_embeddings=bool(tied),
            max_position_embeddings=32_768,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            bos_token_id=None,
            eos_token_id=None,
        )
        with self.device:
            self.base: PreTrainedModel = AutoModelForCausalLM.from_config(
                config, dtype=DTYPES[precision], attn_implementation="sdpa"
            )
        self.base.requires_grad_(False)
        self.pair = {
            name: self.tokens(options[length], seed)
            for seed, (name, length) in enumerate(
                {"short": "short", "long": "long", "chosen": "response", "rejected": "response"}.items()
            )
        }

    def measure(self) -> None:
        self.attempt({"measure": "step", "by": "plain PyTorch", "rows": "apart", "recompute": "all"}, self.plain_step)
        model = self.engine_model()
        self.attempt({"measure": "sample", "by": "engine"}, lambda: self.answers(model))
        adapted = LanguageModel(
            attach(model.causal, LORA, None, 1).to(self.device), model.causal, model.source, self.device
        )
        for backward, recompute in (("full", "auto"), ("full", "all"), (TAIL, "auto"), (TAIL, "all")):
            self.attempt(
                {"measure": "step", "by": "engine", "backward": backward, "recompute": recompute},
                lambda backward=backward, recompute=recompute: self.engine_step(adapted, backward, recompute),
            )
        for backward in ("full", TAIL):
            self.attempt(
                {"measure": "determinism", "by": "engine", "backward": backward},
                lambda backward=backward: self.determinism(adapted, backward),
            )

    def attempt(self, figure: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        figure = {"shape": self.options["shape"], "precision": self.precision, **figure}
        if time.monotonic() >= self.end:
            tell({**figure, "error": "not measured: the time was over"})
            return
        try:
            figure |= work()
        except Exception as error:
            figure["error"] = first_line(error)
        tell(figure)
        # What a failed one left goes with its traceback.
        free()

    def tokens(self, length: int, seed: int) -> Tensor:
        return torch.randint(self.vocabulary, (length,), generator=torch.Generator().manual_seed(seed))

    def twin(self) -> PreTrainedModel:
        """Modules of its own over the same weights."""
        return copy.deepcopy(self.base, {id(parameter): parameter for parameter in self.base.parameters()})

    def engine_model(self) -> LanguageModel:
        causal = self.twin()
        causal.set_attn_implementation(attention.NAME)
        model = LanguageModel(
            prepare(causal),
            causal,
            ModelSource("random weights", precision=self.precision),  # type: ignore[arg-type]
            self.device,
        )
        if not model.shares_prompts:
            raise RuntimeError("prompts are not shared: branches of a tree differ from rows apart")
        return model

    def fill(self, parameters: Mapping[str, Tensor]) -> None:
        """The adapter's numbers; B small but not 0, so that the policy is not the reference."""
        generator = torch.Generator(self.device).manual_seed(2)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.normal_(0, 0.02 if ".lora_A." in name else 0.005, generator=generator)

    def timed(self, work: Callable[[], Any]) -> dict[str, Any]:
        """Seconds of warm runs; fewer where the time is over."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        resident = self.memory.allocated
        rounds: list[float] = []
        while len(rounds) < self.options["runs"] and (not rounds or time.monotonic() < self.end):
            self.wait()
            started = time.perf_counter()
            work()
            self.wait()
            rounds.append(time.perf_counter() - started)
        cuda = self.device.type == "cuda"
        return {
            "seconds": statistics.median(rounds),
            "rounds": rounds,
            # Of PyTorch's allocator; on a processor `npm run bench -- torch` measures memory.
            "peakBytes": torch.cuda.max_memory_allocated() if cuda else None,
            "residentBytes": resident if cuda else None,
        }

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def plain_step(self) -> dict[str, Any]:
        with fastest():
            step = PlainStep(self)
            self.reference = step.reference()
            first = step.take()
            self.plain = {**first, **self.timed(step.take)}
            reference = self.timed(step.reference)["seconds"]
        return {
            **self.plain,
            "tokens": 2 * self.options["short"] + self.options["long"] + 3 * self.options["response"],
            # What a trainer pays beside the step that has its reference model run in it.
            "referenceSeconds": reference,
        }

    def trainer(self, model: LanguageModel, backward: Any, recompute: Any) -> PreferenceTrainer:
        parameters = adapter_parameters(model.module)
        self.fill(parameters)
        options = training(backward)
        return PreferenceTrainer(
            model,
            options,
            AdamW(options["optimizer"], parameters),
            free_bytes=lambda: self.memory.free,
            recompute=recompute,
        )

    def training_pair(self) -> Any:
        reference = dict(zip(("shortChosen", "shortRejected"), self.reference, strict=True))
        return {**self.pair, "reference": reference}

    def engine_step(self, model: LanguageModel, backward: Any, recompute: Any) -> dict[str, Any]:
        pair = self.training_pair()
        trainer = self.trainer(model, backward, recompute)
        try:
            first = trainer.take_step([pair])
            figure: dict[str, Any] = {
                "loss": first.metrics["loss"],
                "gradNorm": first.metrics["grad_norm"],
                "tokens": first.policy_tokens,
                "equalLoss": None,
            }
            if self.plain is not None:
                figure["equalLoss"] = abs(figure["loss"] - self.plain["loss"]) <= LIMITS[self.precision]
                if not figure["equalLoss"]:
                    return {**figure, "error": f"the loss of plain PyTorch is {self.plain['loss']}: not timed"}
            figure |= self.timed(lambda: trainer.take_step([pair]))
        finally:
            trainer.optimizer.free()
        if self.plain is not None:
            figure["timesAsFastAsPlain"] = self.plain["seconds"] / figure["seconds"]
            if figure["peakBytes"] is not None:
                figure["memoryOverPlain"] = figure["peakBytes"] / self.plain["peakBytes"]
        return figure

    def determinism(self, model: LanguageModel, backward: Any) -> dict[str, Any]:
        """Three steps, twice: the adapter and the optimiser's moments after them."""
        pair = self.training_pair()
        slices: list[dict[str, Tensor]] = []
        for _ in range(2):
            trainer = self.trainer(model, backward, "auto")
            for _ in range(3):
                trainer.take_step([pair])
            trained = {**trainer.optimizer.parameters, **trainer.optimizer.tensors()}
            slices.append({name: tensor.detach().clone() for name, tensor in trained.items()})
            trainer.optimizer.free()
        one, other = slices
        differing = [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]
        return {"steps": 3, "tensors": len(one), "bitEqual": not differing, "differing": len(differing)}

    def answers(self, model: LanguageModel) -> dict[str, Any]:
        samples, new = self.options["samples"], self.options["newTokens"]
        prompt = Prompt(self.tokens(self.options["prompt"], 9), (1, 2))

        def draw(tokens: int) -> None:
            options = SamplingOptions(samples, 1.0, 1.0, tokens, frozenset(), 1)
            (found,) = sample(model, [prompt], options, Limits(batch_tokens=1), lambda _: None)
            assert [len(answer["tokens"]) for answer in found] == [tokens] * samples

        draw(min(2, new))
        figure = self.timed(lambda: draw(new))
        return {
            "prompt": len(prompt.tokens),
            "samples": samples,
            "newTokens": new,
            **figure,
            "tokensPerSecond": samples * new / figure["seconds"],
        }


class PlainStep:
    """
    The same step by transformers and PEFT as trainers take it: every response a row with a prompt of its own, chosen and rejected as one
    batch, layers computed again in the backward pass, logits of the response alone. The reference is given.
    """

    def __init__(self, bench: Bench) -> None:
        causal = bench.twin()
        causal.gradient_checkpointing_enable({"use_reentrant": False})
        config = LoraConfig(
            r=LORA.rank,
            lora_alpha=LORA.alpha,  # type: ignore[arg-type]
            target_modules=list(LORA.targets),
            lora_dropout=0.0,
            task_type="CAUSAL_LM",
        )
        self.model = get_peft_model(causal, config).train()
        parameters = adapter_parameters(self.model)
        bench.fill(parameters)
        self.parameters = list(parameters.values())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0, fused=True)
        self.pair = {name: tokens.to(bench.device) for name, tokens in bench.pair.items()}
        self.autocast = torch.autocast(bench.device.type, torch.bfloat16, enabled=bench.precision == "bfloat16")
        self.given = torch.zeros(2, device=bench.device)

    def logps(self, prompt: str, responses: list[str]) -> Tensor:
        """Summed over each response."""
        answers = torch.stack([self.pair[name] for name in responses])
        rows = torch.cat([self.pair[prompt].expand(len(responses), -1), answers], 1)
        with self.autocast:
            logits = self.model(input_ids=rows, use_cache=False, logits_to_keep=answers.shape[1] + 1).logits[:, :-1]
        losses = cross_entropy(logits.float().flatten(0, 1), answers.flatten(), reduction="none")
        return -losses.view(answers.shape).sum(1)

    def reference(self) -> list[float]:
        with torch.no_grad(), self.model.disable_adapter():
            self.given = self.logps("short", ["chosen", "rejected"])
        return self.given.tolist()

    def take(self) -> dict[str, float]:
        # The short reward is detached in the alignment: the short rows' graph is gone before the long row's is there.
        rewards = BETA * (self.logps("short", ["chosen", "rejected"]) - self.given)
        preference = -logsigmoid(rewards[0] - rewards[1])
        preference.backward()
        long = BETA * (self.logps("long", ["chosen"])[0] - self.given[0])
        alignment = (rewards[0].detach() - long).abs()
        alignment.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": (preference + alignment).item(), "gradNorm": norm.item()}


@contextmanager
def fastest() -> Iterator[None]:
    """Kernels as PyTorch takes them by itself, not the deterministic ones."""
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True)


def free() -> None:
    """Modules refer to each other in circles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def tell(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def about(chosen: ChosenDevice) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties() if chosen.device == "cuda" else None
    return {
        "device": {
            "kind": chosen.device,
            "name": chosen.name,
            "memoryBytes": chosen.memory_bytes,
            "capability": f"{properties.major}.{properties.minor}" if properties else None,
        },
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "transformers": transformers.__version__,
            "peft": peft.__version__,
        },
    }


def main() -> None:
    options = json.loads(sys.argv[1])
    end = time.monotonic() + options["seconds"]
    make_deterministic(options["threads"])
    try:
        chosen = choose_device(options["device"])
    except DeviceError as error:
        tell({"missing": str(error)})
        return
    tell({"about": about(chosen)})
    for precision in options["precisions"]:
        try:
            Bench(options, chosen, precision, end).measure()
        except Exception as error:  # no room for the weights, most likely
            tell({"shape": options["shape"], "precision": precision, "measure": "model", "error": first_line(error)})
        free()


if __name__ == "__main__":
    main()
