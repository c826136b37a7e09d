"""The Python side of `npm run conformance`: makes folders of every kind and the right values for them. One process answers all requests,
a line of JSON each, in a line of JSON each; what libraries print goes to the standard error.

    {"do": "list", "kind": "models"}                                        names, digests and which of them are quick
    {"do": "make", "kind": "models", "name": "...", "folder": "..."}        writes the folder and expected.json
    {"do": "verify", "kind": "exports", "name": "...", "folder": "..."}     what the product wrote there, read by the libraries"""

import hashlib
import importlib
import importlib.metadata
import json
import logging
import os
import pathlib
import shutil
import sys
import traceback
import warnings

HERE = pathlib.Path(__file__).parent
LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "jinja2", "safetensors", "datasets")

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TOKENIZERS_PARALLELISM="false", HF_HUB_DISABLE_PROGRESS_BARS="1")
os.environ.pop("LD_PRELOAD", None)
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def versions():
    found = {"python": sys.version.split()[0]}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = None
    return found


def cases_of(kind):
    return importlib.import_module(f"cases_{kind}")


def digest_of(kind, name, extra):
    """Of everything that right values come from: what is cached under it is made again where any of it changes."""
    sources = [(HERE / file).read_bytes() for file in ("serve.py", "shared.py", f"cases_{kind}.py")]
    digest = hashlib.sha256(json.dumps([name, extra, versions()]).encode())
    for source in sources:
        digest.update(source)
    return digest.hexdigest()[:16]


def listed(kind):
    cases = cases_of(kind)
    return [
        {"name": name, "digest": digest_of(kind, name, cases.source_of(name)), "quick": name in cases.QUICK}
        for name in cases.NAMES
    ]


def made(kind, name, folder):
    """The folder appears when it is whole: an interrupted run leaves none that is half made."""
    out, draft = pathlib.Path(folder), pathlib.Path(f"{folder}.{os.getpid()}.part")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "model").mkdir(parents=True)
    try:
        expected = cases_of(kind).make(name, draft / "model")
        (draft / "expected.json").write_text(json.dumps(expected))
        shutil.rmtree(out, ignore_errors=True)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {}


def answer(request):
    do, kind = request["do"], request.get("kind")
    if do == "versions":
        return versions()
    if do == "list":
        return listed(kind)
    if do == "make":
        return made(kind, request["name"], request["folder"])
    if do == "verify":
        return cases_of(kind).verify(request["name"], pathlib.Path(request["folder"]))
    raise ValueError(f"nothing is done for {do}")


sys.path.insert(0, str(HERE))
for line in sys.stdin:
    try:
        reply = {"value": answer(json.loads(line))}
    except Exception as error:  # A library may raise anything: the item has failed, the process goes on.
        traceback.print_exc()
        reply = {"error": {"name": type(error).__name__, "message": str(error)[:2000]}}
    print(json.dumps(reply), file=answers, flush=True)
