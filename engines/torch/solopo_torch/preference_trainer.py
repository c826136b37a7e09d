"""Gradient steps on preference pairs (libs/lm/src/preference-trainer.ts)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from .adamw import AdamW, AdamWOptions, clip_factor
from .context_pass import NOTHING, ContextPass, lay_out, run_forward
from .distil import Teacher, Teaching
from .errors import LogitsNotFiniteError, LossNotFiniteError
from .groups import told_of_memory
from .micro_batches import group_by_tokens, with_smaller_batches
from .models import LanguageModel
from .objectives import (
    Context,
    ObjectiveOptions,
    PairTerm,
    ResponseStatistics,
    Row,
    RowName,
    aligned_responses,
    mean_metrics,
    pair_term,
    token_metrics,
    trained_context,
)
from .phase_clock import PhaseClock
from .ranks import Ranks, divided
from .recompute import LayerCheckpoints, Recompute, layers_of
from .schedule import ScheduleOptions, learning_rate_at
from .training_pairs import TrainingPair, teacher_tree, tokens_of


class PreferenceOptions(ObjectiveOptions):
    optimizer: AdamWOptions
    schedule: ScheduleOptions
    clipNorm: float
    microBatchTokens: int
    steps: int
    """Of the whole run, over which the schedule is laid."""


@dataclass(frozen=True)
class StepResult:
    step: int
    metrics: dict[str, float]
    policy_tokens: int
    """That the policy ran."""
    phase_seconds: dict[str, float]


@dataclass
class _Accumulated:
    terms: list[PairTerm] = field(default_factory=list)
    statistics: list[dict[RowName, ResponseStatistics]] = field(default_factory=list)
    policy_tokens: int = 0


class PreferenceTrainer:
    """Takes gradient steps on preference pairs; everything but the data is decided at construction."""

    def __init__(
        self,
        model: LanguageModel,
        options: PreferenceOptions,
        optimizer: AdamW,
        *,
        free_bytes: Callable[[], int],
        teacher: Teacher | None = None,
        recompute: Recompute = "auto",
    ) -> None:
        """`free_bytes`: what is left where the model computes; `teacher`: where the objective distils."""
        self.model = model
        self.options = options
        self.optimizer = optimizer
        self._teacher = teacher
        self._checkpoints = LayerCheckpoints(
            layers_of(model.head.decoder, model.config.num_hidden_layers),
            recompute,
            free_bytes,
            # Layers that are run again exchange columns again: every rank at the same time.
            agreed=lambda kept: min(model.ranks.of_all(kept)),
        )
        self._clock = PhaseClock()

    def take_step(self, pairs: Sequence[TrainingPair]) -> StepResult:
        """One step on the mean loss of `pairs`.

        Raises LossNotFiniteError before anything is changed.
        """
        step = self.optimizer.step + 1
        self._clock = PhaseClock(self._wait)
        try:
            result = self._accumulate_all(pairs, step)
            self.model.sum_gradients()
            norm = self.optimizer.gradient_norm()
            if not math.isfinite(norm):
                raise LossNotFiniteError(step, "the gradient")
            rate = learning_rate_at(self.options["schedule"], step, self.options["steps"])
            self.optimizer.update(rate, clip_factor(norm, self.options["clipNorm"]))
        finally:
            self.optimizer.forget_gradients()
        self._clock.lap("optimizer")
        context = trained_context(self.options)
        chosen, rejected = (
            [pair[name] for pair in result.statistics if name in pair]
            for name in (f"{context}Chosen", f"{context}Rejected")
        )
        metrics = {
            "grad_norm": norm,
            "learning_rate": rate,
            **mean_metrics([{"loss": term.loss, **term.metrics} for term in result.terms]),
            **token_metrics(chosen, rejected),
        }
        return StepResult(step, metrics, result.policy_tokens, self._clock.seconds)

    def _wait(self) -> None:
        """Until the device has done what it was given."""
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)

    def _tokens_of(self, pair: TrainingPair) -> int:
        return tokens_of(self.options, pair)

    def _accumulate_all(self, pairs: Sequence[TrainingPair], step: int) -> _Accumulated:
        limit = self.options["microBatchTokens"]
        if self.model.ranks.count > 1:
            # What one rank has no room for cannot be taken again without the others.
            return self._accumulate(pairs, step, limit)
        lengths = [self._tokens_of(pair) for pair in pairs]
        return with_smaller_batches(lengths, limit, lambda tokens: self._accumulate(pairs, step, tokens))

    def _accumulate(self, pairs: Sequence[TrainingPair], step: int, micro_batch_tokens: int) -> _Accumulated:
        """The mean loss's gradients, summed over groups of pairs: a pair's short and long rows meet in one loss."""
        self.optimizer.forget_gradients()
        result = _Accumulated()
        with told_of_memory():
            self._add_groups(result, pairs, step, micro_batch_tokens)
        return result

    def _add_groups(
        self, result: _Accumulated, pairs: Sequence[TrainingPair], step: int, micro_batch_tokens: int
    ) -> None:
        ranks = self.model.ranks
        lengths = [self._tokens_of(pair) for pair in pairs]
        # As many rounds for every rank: those that have fewer groups go through a pass of nothing.
        shares = [
            group_by_tokens(places, lengths.__getitem__, micro_batch_tokens)
            for places in divided(lengths, ranks.data_ranks)
        ]
        own = shares[ranks.data_rank]
        for number in range(max(map(len, shares))):
            group = own[number] if number < len(own) else []
            self._add_group(result, [pairs[place] for place in group], step, len(pairs))
        if ranks.data_ranks > 1:
            _put_together(result, ranks, [place for group in own for place in group])

    def _add_group(self, result: _Accumulated, group: Sequence[TrainingPair], step: int, pairs: int) -> None:
        rows: list[dict[RowName, Row]] = [{} for _ in group]
        statistics: list[dict[RowName, ResponseStatistics]] = [{} for _ in group]
        passes = self._passes()
        for contexts in passes:
            last = contexts == passes[-1]
            done: list[ContextPass] = []
            for context in contexts:
                batch = lay_out(self.model, self.options, group, context)
                if batch is None:
                    continue
                self._clock.lap("data")
                try:
                    teaching = self._teach(group)
                    with self._checkpoints.applied():
                        done.append(run_forward(self.model, batch, group, teaching))
                except LogitsNotFiniteError as error:
                    raise LossNotFiniteError(step, "the loss", error.parameter) from error
                for scored in done[-1].rows:
                    rows[scored.pair][scored.name] = scored.row
                    statistics[scored.pair][scored.name] = scored.statistics
                result.policy_tokens += batch.tokens
                self._clock.lap("forward")
            terms = [
                pair_term(self.options, own, aligned=last and pair.get("aligned", True))
                for pair, own in zip(group, rows, strict=True)
            ]
            if not all(math.isfinite(term.loss) for term in terms):
                raise LossNotFiniteError(step, "the loss")
            if last:
                result.terms += terms
                result.statistics += statistics
            self._clock.lap("loss")
            while done:
                done.pop().backward(terms, pairs)
                self._clock.lap("backward")

    def _teach(self, group: Sequence[TrainingPair]) -> Teaching | None:
        trees = [tree for pair in group if (tree := teacher_tree(self.options, pair)) is not None]
        if not trees and self._teacher is not None and self.model.ranks.count > 1:
            trees = [NOTHING]
        if not trees:
            return None
        assert self._teacher is not None, "an objective that distils has a teacher"
        teaching = self._teacher.teach(trees)
        self._clock.lap("reference")
        return teaching

    def _passes(self) -> tuple[tuple[Context, ...], ...]:
        """Contexts whose activations must be there at the same time. Where the short reward is detached in the alignment, the short
        rows' gradients do not ask for the long ones: their backward pass comes first, and its memory is free for the next."""
        apart = aligned_responses(self.options["arm"]) and self.options["alignment"]["detach"] == "short"
        return (("short",), ("long",)) if apart else (("short", "long"),)


def _put_together(result: _Accumulated, ranks: Ranks, places: Sequence[int]) -> None:
    """What all ranks found, in the order of the step's pairs."""
    found = ranks.of_data((list(zip(places, result.terms, result.statistics, strict=True)), result.policy_tokens))
    by_pair = sorted((each for own, _ in found for each in own), key=lambda each: each[0])
    result.terms = [term for _, term, _ in by_pair]
    result.statistics = [statistics for _, _, statistics in by_pair]
    result.policy_tokens = sum(tokens for _, tokens in found)
