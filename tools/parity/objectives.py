"""The objectives in PyTorch, written from their formulas, with TRL's own loss functions where TRL has them; every fixture of losses
is made by `pair_loss`. Options are the project's (libs/objectives): arm, objective, alignment.

    python tools/parity/objectives.py libs/objectives/src/fixtures/losses.json

writes losses of random rows, and their derivatives with respect to each row's summed log-probability, in double precision."""

import json
import os
import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
import torch.nn.functional as F
from trl import DPOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

CPU = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)


@dataclass
class Row:
    """A response under a context: log-probabilities summed over its tokens, by policy and reference."""

    policy: torch.Tensor
    tokens: int
    reference: float | None = None


def trl_dpo(objective, chosen, rejected):
    """DPOTrainer's own loss of one pair: it is given a model that already knows the log-probabilities."""
    length = 1 + max(chosen.tokens, rejected.tokens)
    mask = torch.zeros(2, length, dtype=torch.long)
    log_probs = []
    for i, row in enumerate((chosen, rejected)):
        mask[i, 1 : 1 + row.tokens] = 1
        log_probs.append(torch.cat([row.policy.reshape(1), row.policy.new_zeros(length - 2)]))
    zeros = torch.zeros(2, length - 1)
    outputs = SimpleNamespace(log_probs=torch.stack(log_probs), entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=CPU,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[objective["loss"]],
        loss_weights=[1.0],
        beta=objective["beta"],
        label_smoothing=0.0,
        use_weighting=False,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
    )
    batch = {
        "input_ids": torch.zeros(2, length, dtype=torch.long),
        "attention_mask": torch.ones(2, length, dtype=torch.long),
        "completion_mask": mask,
        "ref_chosen_logps": torch.tensor([chosen.reference], dtype=chosen.policy.dtype),
        "ref_rejected_logps": torch.tensor([rejected.reference], dtype=chosen.policy.dtype),
    }
    loss = DPOTrainer._compute_loss(trainer, lambda **_: outputs, batch, False)
    names = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected")
    return loss, {name: trainer._metrics["train"][name][0] for name in names}


def trl_rewards(chosen_rewards, rejected_rewards, chosen, rejected):
    chosen_reward, rejected_reward = chosen_rewards.item(), rejected_rewards.item()
    return {
        "rewards/chosen": chosen_reward,
        "rewards/rejected": rejected_reward,
        "rewards/margins": chosen_reward - rejected_reward,
        "rewards/accuracies": float(chosen_reward > rejected_reward),
        "logps/chosen": chosen.item(),
        "logps/rejected": rejected.item(),
    }


def preference(objective, rows, context):
    """The loss under one context."""
    chosen, rejected = rows[f"{context}Chosen"], rows[f"{context}Rejected"]
    if objective["kind"] == "dpo":
        loss, metrics = trl_dpo(objective, chosen, rejected)
        e = objective["labelSmoothing"]
        if e > 0:
            # cDPO (Mitchell 2023); TRL's sigmoid loss has no label smoothing.
            margin = reward(objective, chosen) - reward(objective, rejected)
            loss = -(1 - e) * F.logsigmoid(margin) - e * F.logsigmoid(-margin)
        return loss, metrics
    means = [(row.policy / row.tokens).reshape(1) for row in (chosen, rejected)]
    if objective["kind"] == "simpo":
        trainer = SimpleNamespace(
            alpha=0.0, loss_type="simpo", simpo_gamma=objective["gamma"], beta=objective["beta"], label_smoothing=0.0, accelerator=CPU
        )
        losses, *rewards = CPOTrainer.cpo_loss(trainer, *means)
        return losses.mean(), trl_rewards(*rewards, *means)
    trainer = SimpleNamespace(beta=objective["beta"], accelerator=CPU)
    losses, *rewards, ratio, log_odds = ORPOTrainer.odds_ratio_loss(trainer, *means)
    read = [chosen] + ([rows[f"{context}Prompt"]] if objective["nll"] == "all" else [])
    nll = -sum(row.policy for row in read) / sum(row.tokens for row in read)
    metrics = {"nll_loss": nll.item(), "log_odds_ratio": ratio.item(), "log_odds_chosen": log_odds.item()}
    return objective["nllWeight"] * nll - losses.mean(), {**trl_rewards(*rewards, *means), **metrics}


def reward(objective, row, reference=None):
    """r(x, y), whose short and long values the alignment compares."""
    kind = objective["kind"]
    if kind == "dpo":
        reward = objective["beta"] * (row.policy - (row.reference if reference is None else reference))
        return reward / row.tokens if objective["loss"] == "ipo" else reward
    if kind == "simpo":
        return objective["beta"] * row.policy / row.tokens
    p = torch.exp(row.policy / row.tokens)
    return torch.log(p / (1 - p))


def alignment(options, rows, response):
    objective, align = options["objective"], options["alignment"]
    short, long = rows[f"short{response}"], rows[f"long{response}"]
    shared = objective["kind"] == "dpo" and align["reference"] == "shared"
    r_short = reward(objective, short)
    r_long = reward(objective, long, short.reference if shared else None)
    slope = max(torch.autograd.grad(r, row.policy, retain_graph=True)[0].item() for r, row in ((r_short, short), (r_long, long)))
    gap = (r_short.detach() if align["detach"] == "short" else r_short) - r_long
    harm = gap if response == "Chosen" else -gap
    metrics = {"r_short": r_short.item(), "r_long": r_long.item(), "gap": gap.item()}
    if abs(gap.item()) <= align["deadZone"] * slope * short.tokens or (align["sides"] == "one" and harm.item() <= 0):
        return gap * 0, metrics
    distance = {"absolute": gap.abs(), "squared": gap**2, "smooth-l1": F.smooth_l1_loss(gap, torch.zeros_like(gap))}
    return align["alpha"] / align["fraction"] * distance[align["distance"]], metrics


def pair_loss(options, rows, aligned=True):
    """L_PO + L_RA of one pair and what is logged of it."""
    arm, objective = options["arm"], options["objective"]
    if objective["kind"] == "sft":
        chosen = rows[f"{objective['context']}Chosen"]
        loss = -chosen.policy / chosen.tokens
        return loss, {"loss": loss.item(), "nll_loss": loss.item(), "logps/chosen": chosen.policy.item()}
    main, metrics = preference(objective, rows, "long" if arm in ("long", "expand-long") else "short")
    metrics["solo/loss_po"] = main.item()
    total = main
    if arm in ("solo", "solo-both"):
        extra = torch.zeros_like(main)
        for response in ("Chosen", "Rejected")[: 2 if arm == "solo-both" else 1] if aligned else ():
            term, values = alignment(options, rows, response)
            extra = extra + term
            if response == "Chosen":
                metrics.update(
                    {
                        "solo/r_short_chosen": values["r_short"],
                        "solo/r_long_chosen": values["r_long"],
                        "solo/gap_signed": values["gap"],
                        "solo/gap_abs": abs(values["gap"]),
                    }
                )
        metrics["solo/loss_ra"] = extra.item()
        total = main + extra
    return total, {"loss": total.item(), **metrics}


DPO = dict(kind="dpo", beta=0.3, loss="sigmoid", labelSmoothing=0)
OBJECTIVES = {
    "dpo": DPO,
    "dpo, smoothed labels": dict(DPO, labelSmoothing=0.2),
    "ipo": dict(DPO, loss="ipo"),
    "hinge": dict(DPO, loss="hinge"),
    "simpo": dict(kind="simpo", beta=2.5, gamma=1),
    "orpo": dict(kind="orpo", beta=0.4, nllWeight=1, nll="response"),
    "orpo with the prompt": dict(kind="orpo", beta=0.1, nllWeight=0.7, nll="all"),
}
ALIGNMENT = dict(alpha=1.5, reference="shared", distance="absolute", sides="two", detach="none", deadZone=1e-5, fraction=1)
VARIANTS = {
    "references of their own": dict(reference="per-context"),
    "squared": dict(distance="squared"),
    "smooth-l1": dict(distance="smooth-l1"),
    "one side": dict(sides="one"),
    "short detached": dict(detach="short"),
    "wide dead zone": dict(deadZone=0.15),
    "a fraction": dict(fraction=0.4),
}


def cases():
    for name, objective in OBJECTIVES.items():
        for arm in ("short", "long", "expand-long", "solo", "solo-both"):
            yield f"{name}: {arm}", dict(arm=arm, objective=objective, alignment=ALIGNMENT)
    for context in ("short", "long"):
        yield f"sft: {context}", dict(arm="sft", objective=dict(kind="sft", context=context), alignment=ALIGNMENT)
    for name in ("dpo", "simpo", "orpo"):
        for variant, changes in VARIANTS.items():
            yield f"{name}: {variant}", dict(arm="solo-both", objective=OBJECTIVES[name], alignment=dict(ALIGNMENT, **changes))


def random_rows(draw):
    tokens = {"Chosen": draw.randint(1, 9), "Rejected": draw.randint(1, 9)}
    rows = {}
    for context in ("short", "long"):
        rows[f"{context}Prompt"] = dict(tokens=draw.randint(20, 60))
        for response, count in tokens.items():
            rows[f"{context}{response}"] = dict(tokens=count)
    for name, row in rows.items():
        row["policy"] = -sum(draw.uniform(0.1, 2.5) for _ in range(row["tokens"]))
        if not name.endswith("Prompt"):
            row["reference"] = row["policy"] + draw.gauss(0, 1.5)
    return rows


def main(out):
    draw = random.Random(5)
    drawn = [random_rows(draw) for _ in range(4)]
    fixture = {"rows": drawn, "cases": []}
    for name, options in cases():
        expected = []
        for index, given in enumerate(drawn):
            aligned = options["alignment"]["fraction"] == 1 or index % 2 == 0
            rows = {key: Row(torch.tensor(row["policy"], dtype=torch.double, requires_grad=True), row["tokens"], row.get("reference")) for key, row in given.items()}
            loss, metrics = pair_loss(options, rows, aligned)
            loss.backward()
            gradients = {key: row.policy.grad.item() for key, row in rows.items() if row.policy.grad is not None and row.policy.grad.item() != 0}
            expected.append({"aligned": aligned, "metrics": metrics, "gradients": gradients})
        fixture["cases"].append({"name": name, "options": options, "expected": expected})
    compact = lambda value: (
        float(f"{value:.9g}") if isinstance(value, float)
        else {k: compact(v) for k, v in value.items()} if isinstance(value, dict)
        else [compact(v) for v in value] if isinstance(value, list)
        else value
    )
    json.dump(compact(fixture), open(out, "w"), separators=(",", ":"))
    print(f"{len(fixture['cases'])} cases of {len(drawn)} pairs")


if __name__ == "__main__":
    main(sys.argv[1])
