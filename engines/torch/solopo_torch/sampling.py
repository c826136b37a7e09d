"""
Answers to prompts. A prompt is run once; its answers share its keys and values. Each draw takes the random number of
(seed, prompt key, sample, position), whatever else is drawn.

Prompts go in batches, of which rows leave when all their answers have ended. Which prompts are beside each other depends on the prompts
alone, so that the same numbers come out wherever the time ends a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from .attention import Layout, Prefix
from .decoding import AnswerStore
from .errors import LogitsNotFiniteError
from .groups import Clock, group_by_tokens, in_groups
from .models import LanguageModel
from .philox import uniforms
from .token_distribution import candidates, draw

_PREFILL_TOKENS = 4096
"""Prompts are run in batches of so many tokens at most, padding counted."""
_MAX_ANSWERS = 64
"""Answers that go through a model together at most, on the processor: with more, products gain nothing."""
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class SamplingOptions:
    samples_per_prompt: int
    temperature: float
    """0: always the most likely token."""
    top_p: float
    max_new_tokens: int
    eos_ids: frozenset[int]
    seed: int

    @staticmethod
    def of(options: Mapping[str, Any]) -> SamplingOptions:
        return SamplingOptions(
            samples_per_prompt=options["samplesPerPrompt"],
            temperature=options["temperature"],
            top_p=options["topP"],
            max_new_tokens=options["maxNewTokens"],
            eos_ids=frozenset(int(token) for token in options["eosIds"]),
            seed=options["seed"],
        )


@dataclass(frozen=True)
class Prompt:
    tokens: Tensor
    key: tuple[int, int]
    """Names the prompt's stream of random numbers: two 32-bit words."""


@dataclass
class Stream:
    """One answer as it grows."""

    prompt: Prompt
    index: int
    limit: int
    tokens: list[int] = field(default_factory=list)
    logp: float = 0.0
    stopped: bool = False
    last: int = 0

    @property
    def open(self) -> bool:
        return not self.stopped and len(self.tokens) < self.limit

    def take(self, token: int, logp: float, eos_ids: frozenset[int]) -> None:
        self.logp += logp
        self.last = token
        if token in eos_ids:
            self.stopped = True
        else:
            self.tokens.append(token)

    def sample(self) -> dict[str, Any]:
        return {
            "tokens": np.array(self.tokens, dtype=np.int32),
            "finish": "stop" if self.stopped else "length",
            "logp": self.logp,
        }


@dataclass(frozen=True)
class Limits:
    batch_tokens: int
    """On a GPU: of one batch, padding counted. A prompt's answers are counted as if each carried it."""
    cache_bytes: int | None = None
    """On the processor: what the keys and values of a batch may take."""
    clock: Clock = Clock(None)  # noqa: RUF009 - never over


@torch.no_grad()
def sample(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    options: SamplingOptions,
    limits: Limits,
    on_answered: Callable[[int], None],
) -> list[list[dict[str, Any]]]:
    """For each of the first prompts its samples; for all of them unless the time was over."""
    answered = 0

    def tell(prompts_done: int) -> None:
        nonlocal answered
        answered += prompts_done
        on_answered(answered)

    def run(group: list[Prompt]) -> list[list[dict[str, Any]]]:
        nonlocal answered
        before = answered
        streams = [
            [Stream(prompt, i, options.max_new_tokens) for i in range(options.samples_per_prompt)] for prompt in group
        ]
        try:
            if model.shares_prompts:
                _answer(model, streams, options, tell)
            else:
                for own in streams:
                    _generate(model, own, options)
                    tell(1)
        except BaseException:
            answered = before
            raise
        return [[stream.sample() for stream in own] for own in streams]

    groups = _groups(model, prompts, options, limits)
    return in_groups(groups, lambda prompt: len(prompt.tokens), run, clock=limits.clock)


def _groups(
    model: LanguageModel, prompts: Sequence[Prompt], options: SamplingOptions, limits: Limits
) -> list[list[Prompt]]:
    n, new = options.samples_per_prompt, options.max_new_tokens
    longest = max((len(prompt.tokens) for prompt in prompts), default=0) + new
    # Each is rotated by its own length, or has a state of its own.
    if longest > model.rotates_alike_up_to or not model.shares_prompts:
        return [[prompt] for prompt in prompts]
    if model.device.type != "cpu":
        return group_by_tokens(prompts, lambda prompt: len(prompt.tokens) + n * new, limits.batch_tokens)
    tokens = (limits.cache_bytes or _CACHE_BYTES) // max(1, model.cache_bytes_per_token)
    groups = group_by_tokens(prompts, lambda prompt: len(prompt.tokens) + n * new, tokens)
    most = max(1, _MAX_ANSWERS // n)
    return [group[i : i + most] for group in groups for i in range(0, len(group), most)]


def _answer(
    model: LanguageModel, streams: list[list[Stream]], options: SamplingOptions, tell: Callable[[int], None]
) -> None:
    store, hidden = _prefill(model, [own[0].prompt.tokens for own in streams], options.samples_per_prompt)
    n = options.samples_per_prompt
    # The first token of every answer comes from its prompt's last hidden state.
    _extend(model, streams, hidden[:, None].expand(-1, n, -1), options)
    while True:
        open_rows = [row for row, own in enumerate(streams) if any(stream.open for stream in own)]
        if len(open_rows) < len(streams):
            tell(len(streams) - len(open_rows))
            if not open_rows:
                return
            store.keep_rows(torch.tensor(open_rows, device=model.device))
            streams = [streams[row] for row in open_rows]
        store.begin_step()
        tokens = torch.tensor([[stream.last for stream in own] for own in streams], device=model.device)
        longest = int(store.positions.max()) + 1
        _extend(model, streams, model.hidden_states(tokens, store, longest), options)


def _prefill(model: LanguageModel, prompts: list[Tensor], answers: int) -> tuple[AnswerStore, Tensor]:
    """Keys and values of the prompts, and each one's last hidden state: [B, d]."""
    device = model.device
    whole = Prefix(torch.tensor([len(tokens) for tokens in prompts], device=device), max(map(len, prompts)))
    parts: list[Tensor] = []
    first = 0
    for group in group_by_tokens(prompts, len, _PREFILL_TOKENS):
        kept, states = _run_prompts(model, group)
        parts.append(states)
        for layer, own in kept.layers.items():
            if layer not in whole.layers:
                whole.layers[layer] = tuple(
                    part.new_zeros((len(prompts), part.shape[1], whole.columns, part.shape[3])) for part in own
                )  # type: ignore[assignment]
            for all_rows, part in zip(whole.layers[layer], own, strict=True):
                all_rows[first : first + len(group), :, : kept.columns] = part
        first += len(group)
    return AnswerStore.of(whole, answers), torch.cat(parts)


def _run_prompts(model: LanguageModel, prompts: list[Tensor]) -> tuple[Prefix, Tensor]:
    device = model.device
    lengths = torch.tensor([len(tokens) for tokens in prompts], device=device)
    columns = int(lengths.max())
    tokens = torch.zeros((len(prompts), columns), dtype=torch.long)
    for row, own in enumerate(prompts):
        tokens[row, : len(own)] = own
    kept = Prefix(lengths, columns)
    nothing = torch.zeros(tokens.shape, dtype=torch.long, device=device)
    positions = torch.arange(columns, device=device).expand(len(prompts), -1)
    layout = Layout(positions, nothing, nothing, shared=columns, keep=kept)
    hidden = model.hidden_states(tokens.to(device), layout, longest=columns)
    return kept, hidden[torch.arange(len(prompts), device=device), lengths - 1]


def _extend(model: LanguageModel, streams: list[list[Stream]], hidden: Tensor, options: SamplingOptions) -> None:
    """Each open stream's next token, from its hidden state in [B, n, d]."""
    streams_open = [(row, i, stream) for row, own in enumerate(streams) for i, stream in enumerate(own) if stream.open]
    rows = torch.tensor([row for row, _, _ in streams_open], device=hidden.device)
    columns = torch.tensor([i for _, i, _ in streams_open], device=hidden.device)
    logits = model.head.logits(hidden[rows, columns]).float()
    for stream, (token, logp) in zip(
        (stream for _, _, stream in streams_open),
        _next(model, logits, [stream for _, _, stream in streams_open], options),
        strict=True,
    ):
        stream.take(token, logp, options.eos_ids)


def _next(
    model: LanguageModel, logits: Tensor, streams: list[Stream], options: SamplingOptions
) -> list[tuple[int, float]]:
    """Of each stream, its token and that token's log p; 0 when greedy."""
    greatest = logits.amax(-1)
    # A number that is none is the greatest of its row.
    if not bool(torch.isfinite(greatest).all()):
        raise LogitsNotFiniteError(model.find_not_finite())
    if options.temperature == 0:
        return [(token, 0.0) for token in logits.argmax(-1).tolist()]
    rows = candidates(logits, options.temperature, options.top_p)
    counters = np.array([[*stream.prompt.key, len(stream.tokens), 0] for stream in streams], dtype=np.uint64)
    keys = np.array([[options.seed, stream.index] for stream in streams], dtype=np.uint64)
    drawn = uniforms(counters, keys)
    return [draw(row, options.temperature, options.top_p, float(u)) for row, u in zip(rows, drawn, strict=True)]


def _generate(model: LanguageModel, streams: list[Stream], options: SamplingOptions) -> None:
    """
    Answers of a model whose layers keep something else than keys and values: transformers runs it, with what it keeps, one prompt at a
    time, and is told which tokens are drawn.
    """
    prompt = streams[0].prompt.tokens.to(model.device)

    class Draw(LogitsProcessor):
        def __call__(self, _: Tensor, scores: Tensor) -> Tensor:
            chosen = torch.full_like(scores, float("-inf"))
            going = [i for i, stream in enumerate(streams) if stream.open]
            drawn = _next(model, scores[going].float(), [streams[i] for i in going], options)
            for i, (token, logp) in zip(going, drawn, strict=True):
                streams[i].take(token, logp, options.eos_ids)
            for i, stream in enumerate(streams):
                chosen[i, stream.last] = 0
            return chosen

    class Ended(StoppingCriteria):
        def __call__(self, *_: Any, **__: Any) -> Tensor:
            return torch.tensor([not stream.open for stream in streams], device=model.device)

    generator: Any = model.causal
    generator.generate(
        prompt[None].expand(len(streams), -1),
        attention_mask=torch.ones((len(streams), len(prompt)), dtype=torch.long, device=model.device),
        do_sample=False,
        num_beams=1,
        max_new_tokens=options.max_new_tokens,
        logits_processor=LogitsProcessorList([Draw()]),
        stopping_criteria=StoppingCriteriaList([Ended()]),
        eos_token_id=[],
        pad_token_id=0,
    )
