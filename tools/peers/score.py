"""Log-probabilities of a pair's rows by transformers, without gradient: both answers over the short context as one batch, the
chosen answer over the long one."""

import torch

import flops
import measure
import shapes


def score(name, options, all_positions):
    model = shapes.base_model(options).eval()
    pair, R = shapes.pair(options), options.response
    batches = [torch.stack([torch.cat([pair.short, answer]) for answer in (pair.chosen, pair.rejected)]), torch.cat([pair.long, pair.chosen])[None]]
    measure.forget_peak()
    logps = []

    @torch.no_grad()
    def work():
        logps.clear()
        for ids in batches:
            logits = model(ids, use_cache=False, logits_to_keep=0 if all_positions else R + 1).logits[:, :-1].float()
            targets = ids[:, -logits.shape[1] :]
            rows = torch.log_softmax(logits, -1).gather(-1, targets[..., None])[..., 0][:, -R:].sum(1)
            logps.extend(rows.tolist())
            del logits

    seconds = measure.seconds_of(work, options.runs, options.warmup)
    rows = [flops.row(prompt, R, all_positions) for prompt in (options.short, options.short, options.long)]
    shape = sum(rows[1:], rows[0])
    forward = flops.forward(shape, options.layers, adapter=False)
    return measure.figure(
        name,
        seconds,
        shape.tokens,
        {"multiplyAdds": sum(forward.values()), "passes": {"forward": forward}},
        logps=logps,
        modelBytes=measure.model_bytes(model),
        precision=options.dtype,
    )
