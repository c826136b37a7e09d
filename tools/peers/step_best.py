"""A training step by best.py: prompts shared, reference log-probabilities given, the short pair's backward done before the
long row's forward (the short reward has no gradient in the alignment, so the two halves are separate)."""

import time

import torch
from torch.nn.functional import logsigmoid

import flops
import measure
import shapes
from best import Policy


def reference_logps(adapted, prompt, answers):
    """Log-probabilities of the answers with the adapter off: given, not part of a step."""
    from trl.trainer.utils import selective_log_softmax

    with torch.no_grad(), adapted.disable_adapter():
        for answer in answers:
            ids = torch.cat([prompt, answer])[None]
            logits = adapted(input_ids=ids, logits_to_keep=len(answer) + 1).logits[:, :-1]
            yield selective_log_softmax(logits.float(), answer[None]).sum().item()


class Training:
    def __init__(self, options, arm, recompute="all", share=True, compiled=False):
        self.arm = arm
        adapted = shapes.adapted_model(options)
        self.pair = shapes.pair(options)
        self.prompt = self.pair.long if arm == "expand-long" else self.pair.short
        self.reference = list(reference_logps(adapted, self.prompt, (self.pair.chosen, self.pair.rejected)))
        self.policy = Policy(adapted, recompute == "all", compiled)
        self.model_bytes = measure.model_bytes(adapted, self.policy)
        del adapted
        self.share = share
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=shapes.LEARNING_RATE, weight_decay=0.0, fused=True)
        self.losses, self.norms = [], []

    def preference(self):
        """DPO of the pair: value of the loss and of the chosen reward; the gradient is accumulated."""
        chosen, rejected = self.pair.chosen, self.pair.rejected
        if self.share:
            logps = self.policy.logps(self.prompt, [chosen, rejected])
        else:
            logps = [self.policy.logps(self.prompt, [answer])[0] for answer in (chosen, rejected)]
        rewards = [shapes.BETA * (logp - reference) for logp, reference in zip(logps, self.reference)]
        loss = -logsigmoid(rewards[0] - rewards[1])
        loss.backward()
        return loss.item(), rewards[0].item()

    def alignment(self, reward):
        (logp,) = self.policy.logps(self.pair.long, [self.pair.chosen])
        loss = shapes.ALIGNMENT * (reward - shapes.BETA * (logp - self.reference[0])).abs()
        loss.backward()
        return loss.item()

    def step(self):
        loss, reward = self.preference()
        if self.arm == "solo":
            loss += self.alignment(reward)
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), shapes.CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss)
        self.norms.append(norm.item())


def shape(options, arm, share):
    def preference(prompt):
        if share:
            return flops.tree(prompt, options.response)
        return flops.row(prompt, options.response, False, True) + flops.row(prompt, options.response, False, True)

    if arm == "expand-long":
        return preference(options.long)
    short = preference(options.short)
    return short + flops.row(options.long, options.response, False, True) if arm == "solo" else short


def step(name, options, recompute="all", arm="solo", share=True, compiled=False):
    training = Training(options, arm, recompute, share, compiled)
    measure.forget_peak()
    started = time.perf_counter()
    training.step()
    first = time.perf_counter() - started
    seconds = measure.seconds_of(training.step, options.runs, options.warmup - 1)
    policy = shape(options, arm, share)
    return measure.figure(
        name,
        seconds,
        policy.tokens,
        flops.step(policy, options.layers, recompute == "all"),
        loss=training.losses,
        gradNorm=training.norms,
        policyTokens=policy.tokens,
        referenceTokens=0,
        modelBytes=training.model_bytes,
        recompute=recompute,
        promptShared=share,
        compiled=compiled,
        firstStepSeconds=first,
        head="response positions",
        precision=options.dtype,
    )
