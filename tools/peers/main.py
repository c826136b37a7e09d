"""The PyTorch side of the benchmarks: tools/peers/run NAME [options] --json FILE. Each figure is measured in its own process."""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile


def figures_of(name, options):
    """The figures of a benchmark: name, function as module.function, its arguments, options that differ."""
    trl = {"trl": {}, "trl, no checkpointing": {"checkpointing": False}, "trl, full logits": {"head": "full"}}
    best = {"best, recompute all": {}, "best, recompute none": {"recompute": "none"}}
    match name:
        case "step-trl":
            return [(each, "step_trl.step", arguments, {}) for each, arguments in trl.items()]
        case "step-trl-dpo":
            return [(each, "step_trl.step", {**arguments, "align": False}, {}) for each, arguments in trl.items()]
        case "step-best":
            chosen = {"all": ["best, recompute all"], "none": ["best, recompute none"], "both": [*best]}[options.recompute]
            return [(each, "step_best.step", {**best[each], "compiled": options.compile}, {}) for each in chosen]
        case "memory":
            steps = {**{each: ("step_trl.step", arguments) for each, arguments in trl.items()}, **{each: ("step_best.step", arguments) for each, arguments in best.items()}}
            return [(f"long {long}: {each}", *step, {"long": long, "runs": 1, "warmup": 0}) for long in options.lengths for each, step in steps.items()]
        case "arms":
            figures = []
            for long in options.lengths:
                arms = {
                    "expand-long, trl": ("step_trl.step", {"align": False, "context": "long"}),
                    "solo, trl": ("step_trl.step", {}),
                    "expand-long, prompts apart": ("step_best.step", {"arm": "expand-long", "share": False}),
                    "expand-long": ("step_best.step", {"arm": "expand-long"}),
                    "solo, prompts apart": ("step_best.step", {"share": False}),
                    "solo": ("step_best.step", {}),
                    "short": ("step_best.step", {"arm": "short"}),
                }
                figures += [(f"long {long}: {arm}", *step, {"long": long}) for arm, step in arms.items()]
            return figures
        case "generate":
            return [
                (f"{options.sequences} sequences", "generate.generate", {"sequences": options.sequences}, {}),
                (f"{options.sequences} sequences, prompt run once", "generate.generate", {"sequences": options.sequences, "cached": True}, {}),
                ("1 sequence", "generate.generate", {"sequences": 1}, {}),
            ]
        case "score":
            return [("logits of all positions", "score.score", {"all_positions": True}, {}), ("logits of the response", "score.score", {"all_positions": False}, {})]
        case "block":
            figures = []
            for T in options.tokens:
                figures += [(f"T {T}: {which} {T} x 896 x 4864", "block.matmul", {"T": T, "which": which}, {}) for which in ("matmul", "linear", "onednn")]
                for by in ("transformers", "best"):
                    figures.append((f"T {T}: {by} forward", "block.block", {"T": T, "by": by, "direction": "forward"}, {}))
                    figures.append((f"T {T}: {by} backward", "block.block", {"T": T, "by": by, "direction": "backward"}, {}))
                    figures.append((f"T {T}: {by} backward, forward computed again", "block.block", {"T": T, "by": by, "direction": "backward", "recompute": True}, {}))
            return figures
        case "check":
            return [("every variant against TRL", "check.check", {}, {})]
    raise ValueError(name)


def averaged(figures, fraction):
    """`solo` on a fraction of the pairs and `short` on the rest: seconds and multiply-adds a pair, from both figures."""
    by_name = {figure["name"]: figure for figure in figures}
    for name, solo in by_name.items():
        short = by_name.get(name.replace(": solo", ": short"))
        if not name.endswith(": solo") or short is None or "outOfMemory" in solo or "outOfMemory" in short:
            continue
        mean = lambda key: fraction * key(solo) + (1 - fraction) * key(short)
        yield {
            "name": f"{name}, fraction {fraction}",
            "seconds": [mean(lambda each: each["medianSeconds"])],
            "medianSeconds": mean(lambda each: each["medianSeconds"]),
            "peakRssBytes": max(solo["peakRssBytes"], short["peakRssBytes"]),
            "tokens": mean(lambda each: each["tokens"]),
            "flops": {"multiplyAdds": mean(lambda each: each["flops"]["multiplyAdds"])},
            "details": {"averageOf": [solo["name"], short["name"]]},
        }


NAMES = ["step-trl", "step-trl-dpo", "step-best", "memory", "arms", "generate", "score", "block", "check"]


def parse():
    parser = argparse.ArgumentParser(prog="tools/peers/run")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", metavar="NAME", action="append", help="only the figures of this name, at any length; may be repeated")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--short", type=int, default=512)
    parser.add_argument("--long", type=int, default=2048)
    parser.add_argument("--response", type=int, default=128)
    parser.add_argument("--recompute", choices=["all", "none", "both"], default="both", help="step-best: which activations are computed again")
    parser.add_argument("--compile", action="store_true", help="step-best: torch.compile for each layer")
    parser.add_argument("--lengths", type=lambda text: [int(each) for each in text.split(",")], help="memory, arms: long lengths, as 2048,4096")
    parser.add_argument("--fraction", type=float, default=0.25, help="arms: the fraction of pairs that are aligned")
    parser.add_argument("--prompt", type=int, default=1024, help="generate: tokens of the prompt")
    parser.add_argument("--new", type=int, default=128, help="generate: sampled tokens a sequence")
    parser.add_argument("--sequences", type=int, default=32, help="generate: sequences of one prompt")
    parser.add_argument("--tokens", type=lambda text: [int(each) for each in text.split(",")], default=[512, 2048, 8192], help="block: T, as 512,2048")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-gib", type=float, default=0, help="memory for one figure; 0 is no limit but the machine's")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.lengths = options.lengths or ([2048, 4096, 8192, 16384] if options.name == "memory" else [options.long])
    return options


OUT_OF_MEMORY = ("can't allocate memory", "std::bad_alloc", "MemoryError", "could not create a memory", "Cannot allocate memory")


def measured(name, function, arguments, options, overrides):
    """One figure, from a process of its own."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        work = {"name": name, "function": function, "arguments": arguments, "options": {**vars(options), **overrides}, "out": out.name}
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
        # Offline: nothing here is to be fetched.
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        child = subprocess.run([sys.executable, __file__, options.name, "--child", json.dumps(work)], env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        if child.returncode == 0:
            return json.load(open(out.name))
        if child.returncode == -signal.SIGKILL or any(words in child.stderr for words in OUT_OF_MEMORY):
            return {"name": name, "outOfMemory": True, "details": {"maxGiB": options.max_gib or None, "arguments": arguments, **overrides}}
    sys.exit(f"{child.stderr}\n{name}: its process ended with {child.returncode}. The lines above say why.")


def child(work):
    options = argparse.Namespace(**work["options"])
    if options.max_gib:
        limit = int(options.max_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    import importlib

    import torch

    torch.set_num_threads(options.threads)
    module, function = work["function"].split(".")
    result = getattr(importlib.import_module(module), function)(work["name"], options, **work["arguments"])
    with open(work["out"], "w") as out:
        json.dump(result, out)


def show(bench, figure):
    result = f"{figure['medianSeconds']:9.3f} s  {figure['peakRssBytes'] / 2**30:6.2f} GiB" if "seconds" in figure else "out of memory"
    print(f"{bench}  {figure['name']:56} {result}", flush=True)


def main():
    options = parse()
    if options.child:
        child(json.loads(options.child))
        return
    from measure import versions

    figures = []
    for name, function, arguments, overrides in figures_of(options.name, options):
        if not options.only or any(name == only or name.endswith(f": {only}") for only in options.only):
            figures.append(measured(name, function, arguments, options, overrides))
            show(options.name, figures[-1])
    for figure in averaged(figures, options.fraction) if options.name == "arms" else []:
        figures.append(figure)
        show(options.name, figure)
    if options.name == "check":
        print(*figures[0]["details"]["lines"], sep="\n")
        if figures[0]["details"]["failures"]:
            sys.exit("A peer that computes something else is no peer: mend what FAIL names before comparing times.")
    report = {"name": options.name, "versions": versions(), "threads": options.threads, "options": {key: value for key, value in vars(options).items() if key not in ("child", "json")}, "figures": figures}
    if options.json:
        with open(options.json, "w") as out:
            json.dump(report, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
