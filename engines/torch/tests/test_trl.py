"""Ten steps of TRL 1.16's DPOTrainer on the bundled model (tools/parity/trl_curve.py): the same tokens, AdamW, clipping and rates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from solopo_torch.adamw import AdamW
from solopo_torch.groups import Clock
from solopo_torch.models import Models, ModelSource
from solopo_torch.preference_trainer import PreferenceTrainer
from solopo_torch.scoring import Cut, score
from solopo_torch.trees import Tree

ROOT = Path(__file__).parents[3]
CURVE = json.loads((ROOT / "libs/lm/src/fixtures/trl-dpo-curve.json").read_text())
LIMITS = {
    "loss": 1e-4,
    "grad_norm": 1e-2,
    "rewards/chosen": 1e-4,
    "rewards/rejected": 1e-4,
    "rewards/margins": 1e-4,
    "rewards/accuracies": 0,
    "logps/chosen": 1e-3,
    "logps/rejected": 1e-3,
    "logits/chosen": 1e-3,
    "logits/rejected": 1e-3,
    "entropy": 1e-3,
    "mean_token_accuracy": 1e-6,
}
"""Metrics of TRL's log, and how far this engine's may be off."""


def test_ten_steps_of_dpo_are_those_of_trl(models: Models) -> None:
    model = models.open(ModelSource(str(ROOT / "data/models/retrieval-144k")))
    given = [{name: torch.tensor(tokens) for name, tokens in pair.items()} for pair in CURVE["pairs"]]
    trees = [Tree(pair["prompt"], [pair["chosen"], pair["rejected"]]) for pair in given]
    references = score(model, trees, Cut(8192, clock=Clock(None)), lambda _: None)
    pairs: list[Any] = [
        {
            "short": pair["prompt"],
            "chosen": pair["chosen"],
            "rejected": pair["rejected"],
            "reference": {
                "shortChosen": float(chosen.sum(dtype=float)),
                "shortRejected": float(rejected.sum(dtype=float)),
            },
        }
        for pair, (chosen, rejected) in zip(given, references, strict=True)
    ]
    settings = CURVE["settings"]
    schedule = {"learningRate": 0.0, "schedule": "constant", "warmupRatio": 0, "finalLearningRateRatio": 1}
    options: Any = {
        "arm": "short",
        "objective": {"kind": "dpo", "beta": settings["beta"], "loss": "sigmoid", "labelSmoothing": 0},
        "alignment": {},
        "optimizer": {
            "betas": (settings["adam_beta1"], settings["adam_beta2"]),
            "epsilon": 1e-8,
            "weightDecay": 0,
        },
        "schedule": schedule,
        "clipNorm": settings["max_grad_norm"],
        "microBatchTokens": 100_000,
        "steps": len(CURVE["steps"]),
    }
    parameters = {name: parameter.requires_grad_() for name, parameter in model.causal.named_parameters()}
    trainer = PreferenceTrainer(model, options, AdamW(options["optimizer"], parameters), free_bytes=lambda: 1 << 40)
    for index, expected in enumerate(CURVE["steps"]):
        # TRL's warm-up begins at 0.
        schedule["learningRate"] = expected["learning_rate"]
        metrics = trainer.take_step(pairs[8 * index : 8 * (index + 1)]).metrics
        for name, limit in LIMITS.items():
            if name == "rewards/accuracies" and abs(expected["rewards/margins"]) < 1e-4:
                # Before the first step rewards differ by rounding alone.
                continue
            assert metrics[name] == pytest.approx(expected[name], rel=0, abs=limit), f"step {index + 1}: {name}"
    for name, parameter in parameters.items():
        assert parameter.detach().double().norm().item() == pytest.approx(CURVE["weights"][name], rel=1e-5), name
