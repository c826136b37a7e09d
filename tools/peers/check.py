"""Holds losses and gradient norms of two steps (the second sees the gradient of the first) to those of TRL's DPOTrainer."""

import argparse

import measure
import step_best
import step_trl

VARIANTS = {
    "solo": [
        ("trl, full logits", step_trl.step, {"head": "full", "checkpointing": False}),
        ("best", step_best.step, {}),
        ("best, recompute none, prompts apart", step_best.step, {"recompute": "none", "share": False}),
    ],
    "short": [
        ("trl, full logits", step_trl.step, {"align": False, "head": "full"}),
        ("best", step_best.step, {"arm": "short"}),
    ],
    "expand-long": [("best", step_best.step, {"arm": "expand-long"})],
}
TRL = {"solo": {}, "short": {"align": False}, "expand-long": {"align": False, "context": "long"}}


def check(name, options):
    two = argparse.Namespace(**{**vars(options), "runs": 1, "warmup": 1})
    lines, failures, seconds = [], 0, []
    for arm, variants in VARIANTS.items():
        theirs = step_trl.step(f"{arm}: trl", two, **TRL[arm])
        seconds += theirs["seconds"]
        for variant, step, arguments in variants:
            mine = step(f"{arm}: {variant}", two, **arguments)
            seconds += mine["seconds"]
            pairs = [list(zip(each["details"]["loss"], each["details"]["gradNorm"])) for each in (mine, theirs)]
            loss = max(abs(a[0] - b[0]) for a, b in zip(*pairs))
            norm = max(abs(a[1] / b[1] - 1) for a, b in zip(*pairs))
            ok = loss <= 1e-4 and norm <= 1e-3
            failures += not ok
            lines.append(f"{'ok  ' if ok else 'FAIL'} {arm}, {variant}: loss {mine['details']['loss'][0]:.6f}, differs by {loss:.1e}, gradient norm by {norm:.1e}")
            print(lines[-1], flush=True)
    return measure.figure(name, seconds, theirs["tokens"], failures=failures, lines=lines)
