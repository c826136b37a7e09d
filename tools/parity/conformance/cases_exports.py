"""What the product writes, read by the libraries: policies as whole models, as adapters and merged, and pairs as TRL reads them.

A base folder is made here; the product trains nothing, but writes with its own code what a run would write, into `product/` beside it, with the
log-probabilities and ids that it has itself: `product/product.json`."""

import functools
import hashlib
import pathlib
import shutil
from types import SimpleNamespace

from cases_tokenizers import GPT4, QWEN, N, P, byte_bpe, lib, piece_bpe, template_of
from shared import change_json, load, peft, random_model, read_json, torch, transformers, write_json

BUNDLED = pathlib.Path(__file__).parents[3] / "data" / "models" / "retrieval-144k"
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}{% else %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def with_special(tokenizer, *tokens):
    tokenizer.add_special_tokens(list(tokens))
    return tokenizer


QWEN_TEXT = dict(
    tokenizer=lambda: with_special(
        byte_bpe(P().Split(lib().Regex(QWEN), "isolated"), normalizer=N().NFC()), "<|im_start|>", "<|im_end|>", "<|endoftext|>"
    ),
    config={
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "chat_template": CHATML,
    },
)

BASES = {
    "llama": dict(
        tokenizer=lambda: template_of(byte_bpe(P().Split(lib().Regex(GPT4), "isolated")), "<s> $A"),
        config={"bos_token": "<s>", "chat_template": LLAMA3},
        model=dict(family="llama", tie_word_embeddings=False),
    ),
    "llama 2": dict(
        tokenizer=piece_bpe,
        config={"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "chat_template": MISTRAL},
        model=dict(family="llama"),
    ),
    "mistral": dict(
        tokenizer=lambda: template_of(piece_bpe(), "<s> $A"),
        config={"bos_token": "<s>", "chat_template": MISTRAL},
        model=dict(family="mistral", sliding_window=64),
    ),
    "gemma3": dict(
        tokenizer=lambda: with_special(
            template_of(piece_bpe(normalizer=N().Replace(" ", "▁"), pre=P().Split(" ", "merged_with_previous")), "<s> $A"),
            "<start_of_turn>",
            "<end_of_turn>",
        ),
        config={"tokenizer_class": "GemmaTokenizer", "bos_token": "<s>", "pad_token": "<pad>", "chat_template": GEMMA},
        model=dict(family="gemma3", sliding_window=64),
        end="<end_of_turn>",
    ),
    "qwen2": dict(**QWEN_TEXT, model=dict(family="qwen2", tie_word_embeddings=True)),
    "qwen3, bf16": dict(**QWEN_TEXT, model=dict(family="qwen3"), dtype="bfloat16"),
    "the bundled model": None,
}
KINDS = ("model", "adapter", "merged", "tokenizer", "pairs trl", "pairs trl-conversational", "pairs trl-tokens")
NAMES = [f"{base}: {kind}" for base in BASES for kind in KINDS]
QUICK = {f"{base}: {kind}" for base in ("llama", "mistral", "gemma3", "the bundled model") for kind in ("merged", "tokenizer", "pairs trl", "pairs trl-conversational")}


def parted(name):
    return name.rsplit(": ", 1)


def source_of(name):
    """Of the tokenizers that are used here too, and of the model that is not made here."""
    own = (pathlib.Path(__file__).parent / "cases_tokenizers.py").read_text()
    bundled = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(BUNDLED.iterdir())]
    return [own, *(bundled if BASES[parted(name)[0]] is None else [])]


def make(name, folder):
    base, kind = parted(name)
    made = BASES[base]
    if made is None:
        shutil.copytree(BUNDLED, folder, dirs_exist_ok=True)
        return {"what": kind}
    tokenizer = made["tokenizer"]()
    settings = dict(made["model"])
    size = tokenizer.get_vocab_size()
    model = random_model(settings.pop("family"), vocab_size=size + 3, max_position_embeddings=1024, **settings)
    if "dtype" in made:
        model = model.to(getattr(torch(), made["dtype"]))
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    usual = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {**usual, **made["config"]})
    end = tokenizer.token_to_id(made.get("end") or {**usual, **made["config"]}["eos_token"])
    write_json(folder / "generation_config.json", {"eos_token_id": end})
    change_json(folder / "config.json", {"eos_token_id": end})
    return {"what": kind}


# What the product wrote ------------------------------------------------------------------------------------------------------------


def verify(name, folder):
    base, kind = parted(name)
    product = read_json(folder / "product" / "product.json")
    if kind == "tokenizer":
        return tokenizer_differences(folder / "product" / "model", product)
    if kind.startswith("pairs "):
        return pair_differences(folder, kind.removeprefix("pairs "), product)
    model = load(folder / "product" / kind) if kind != "adapter" else adapted(folder)
    right = torch().tensor([value for ids in product["sequences"] for value in logps_of(model, ids)])
    mine = torch().tensor([value for values in product["logps"][kind] for value in values])
    return {"difference": (right - mine).abs().max().item(), "faults": []}


def logps_of(model, ids):
    with torch().no_grad():
        logits = model(input_ids=torch().tensor([ids])).logits[0, :-1].float()
    return torch().log_softmax(logits, -1).gather(-1, torch().tensor(ids[1:])[:, None])[:, 0].tolist()


def adapted(folder):
    return peft().PeftModel.from_pretrained(load(folder / "model"), folder / "product" / "adapter").eval()


def tokenizer_differences(folder, product):
    tokenizer = transformers().AutoTokenizer.from_pretrained(folder)
    faults = []
    for text, ids in zip(product["texts"], product["ids"]):
        right = tokenizer(text, add_special_tokens=False)["input_ids"]
        if right != ids:
            faults.append(f"{text!r}: AutoTokenizer {right[:12]}, the product {ids[:12]}")
    for messages, prompt in zip(product["messages"], product["prompts"]):
        right = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        if right != prompt:
            faults.append(f"prompt: AutoTokenizer {right!r}, the product {prompt!r}")
    return {"difference": 0, "faults": faults}


@functools.cache
def trl_trainer():
    from datasets import Dataset, disable_progress_bars
    from trl import DPOTrainer

    disable_progress_bars()
    return Dataset, DPOTrainer


def prepared(rows, tokenizer):
    dataset, trainer = trl_trainer()
    settings = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    return trainer._prepare_dataset(SimpleNamespace(_tokenizer=tokenizer), dataset.from_list(rows), tokenizer, settings, "train")


def pair_differences(folder, format, product):
    """TRL's own preparation of the pairs against the tokens that were scored, and the log-probabilities of both."""
    tokenizer = transformers().AutoTokenizer.from_pretrained(folder / "product" / "model")
    model = load(folder / "product" / "model")
    rows = product["pairs"][format]
    read = rows if format == "trl-tokens" else list(prepared(rows, tokenizer))
    faults, worst = [], 0.0
    for i, (theirs, mine, summed) in enumerate(zip(read, product["pairs"]["trl-tokens"], product["pairLogps"])):
        for side in ("chosen", "rejected"):
            ids = theirs["prompt_ids"] + theirs[f"{side}_ids"]
            scored = mine["prompt_ids"] + mine[f"{side}_ids"]
            if without_trailer(ids, tokenizer) != without_trailer(scored, tokenizer):
                faults.append(f"pair {i}, {side}: TRL reads {tokenizer.decode(ids)!r}, scored was {tokenizer.decode(scored)!r}")
                continue
            if len(theirs["prompt_ids"]) != len(mine["prompt_ids"]):
                faults.append(f"pair {i}, {side}: TRL's prompt has {len(theirs['prompt_ids'])} tokens, the product's {len(mine['prompt_ids'])}")
            # Those of the tokens that both have.
            count = min(len(ids), len(scored)) - len(mine["prompt_ids"])
            right = logps_of(model, ids)[len(mine["prompt_ids"]) - 1 :][:count]
            worst = max(worst, abs(sum(right) - sum(summed[side][:count])))
    return {"difference": worst, "faults": faults}


def without_trailer(ids, tokenizer):
    """But for the white space that a template writes behind the end of a turn: TRL's standard format ends with the end token."""
    while ids and tokenizer.decode(ids[-1:]).strip() == "":
        ids = ids[:-1]
    return ids
