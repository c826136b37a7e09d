"""Sampling by transformers.generate: one prompt, exactly `new` tokens a sequence."""

import torch
from transformers import DynamicCache

import measure
import shapes


def generate(name, options, sequences, cached=False):
    """`cached`: the prompt runs once, and its cache is repeated for each sequence, instead of a prompt for each."""
    model = shapes.base_model(options).eval()
    prompt = torch.randint(151936, (1, options.prompt), generator=torch.Generator().manual_seed(options.seed + 2))
    sampling = dict(do_sample=True, temperature=0.85, top_k=0, top_p=1.0, min_new_tokens=options.new, max_new_tokens=options.new, pad_token_id=0)
    measure.forget_peak()

    @torch.no_grad()
    def work():
        torch.manual_seed(options.seed)
        if not cached:
            out = model.generate(prompt, attention_mask=torch.ones_like(prompt), num_return_sequences=sequences, **sampling)
        else:
            cache = DynamicCache(config=model.config)
            model(prompt[:, :-1], past_key_values=cache, logits_to_keep=1)
            cache.batch_repeat_interleave(sequences)
            ids = prompt.repeat(sequences, 1)
            out = model.generate(ids, attention_mask=torch.ones_like(ids), past_key_values=cache, **sampling)
        assert out.shape == (sequences, options.prompt + options.new)

    seconds = measure.seconds_of(work, options.runs, options.warmup)
    sampled = sequences * options.new
    return measure.figure(
        name,
        seconds,
        sampled,
        sampledTokensPerSecond=sampled / sorted(seconds)[len(seconds) // 2],
        sequences=sequences,
        promptTokens=options.prompt,
        promptRunOnce=cached,
        modelBytes=measure.model_bytes(model),
        precision=options.dtype,
    )
