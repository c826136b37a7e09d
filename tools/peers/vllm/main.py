"""main.py OPTIONS: vLLM answers rounds of prompts, as tools/bench/side.mjs asks for them."""

import json
import os
import resource
import sys
import time

options = json.loads(sys.argv[1])
# Before torch reads it.
os.environ["OMP_NUM_THREADS"] = str(options["threads"])

from vllm import LLM, SamplingParams  # noqa: E402


def say(message):
    print(json.dumps(message), flush=True)


def main():
    samples, new_tokens = options["samples"], options["newTokens"]
    llm = LLM(
        model=options["folder"],
        skip_tokenizer_init=True,
        dtype="bfloat16",
        max_model_len=options["promptTokens"] + new_tokens,
        enforce_eager=True,
        # Answers to a prompt share it; prompts of different rounds have nothing in common.
        enable_prefix_caching=True,
    )
    params = SamplingParams(
        n=samples, temperature=options["temperature"], max_tokens=new_tokens, ignore_eos=True, detokenize=False, seed=1
    )
    say({"ready": True})
    for line in sys.stdin:
        prompts = [{"prompt_token_ids": prompt} for prompt in json.loads(line)["prompts"]]
        started = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        seconds = time.perf_counter() - started
        drawn = sum(len(answer.token_ids) for output in outputs for answer in output.outputs)
        if drawn != len(prompts) * samples * new_tokens:
            sys.exit(f"only {drawn} tokens were drawn")
        say({"seconds": seconds})
    say({"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    # Its threads would keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
