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
    match name:
        case "step-trl":
            return [(each, "step_trl.step", arguments, {}) for each, arguments in trl.items()]
        case "step-trl-dpo":
            return [(each, "step_trl.step", {**arguments, "align": False}, {}) for each, arguments in trl.items()]
    raise ValueError(name)


NAMES = ["step-trl", "step-trl-dpo", "step-best", "memory", "arms", "generate", "score", "block"]


def parse():
    parser = argparse.ArgumentParser(prog="tools/peers/run")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", metavar="TEXT", action="append", help="only figures whose name has this text; may be repeated")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--short", type=int, default=512)
    parser.add_argument("--long", type=int, default=2048)
    parser.add_argument("--response", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-gib", type=float, default=0, help="memory for one figure; 0 is no limit but the machine's")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


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


def main():
    options = parse()
    if options.child:
        child(json.loads(options.child))
        return
    from measure import versions

    figures = []
    for name, function, arguments, overrides in figures_of(options.name, options):
        if options.only and not any(text in name for text in options.only):
            continue
        figure = measured(name, function, arguments, options, overrides)
        figures.append(figure)
        if figure.get("outOfMemory"):
            print(f"{options.name}  {name:56} out of memory", flush=True)
        else:
            print(f"{options.name}  {name:56} {figure['medianSeconds']:9.3f} s  {figure['peakRssBytes'] / 2**30:6.2f} GiB", flush=True)
    report = {"name": options.name, "versions": versions(), "threads": options.threads, "options": {key: value for key, value in vars(options).items() if key not in ("child", "json")}, "figures": figures}
    if options.json:
        with open(options.json, "w") as out:
            json.dump(report, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
