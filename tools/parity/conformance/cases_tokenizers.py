"""Tokenizer folders of every model, normaliser, pre-tokenizer, decoder and post-processor of the tokenizers library, and of what AutoTokenizer
adds to tokenizer.json: ids, ids with the tokens put around a text, and decoded texts."""

import functools

from shared import change_json, read_json, transformers, write_json

CORPUS = [
    "Hello world, it is 2 degrees: café costs 5 euros and more words. The capital of France is Paris; it's 12:30 already!",
    "def main():\n\tfor i in range(10):\n        print(i)  # two spaces\n\nreturn None",
    "Größe, naïve façade, Ελλάδα και άλλα, привет мир, שלום עולם, 東京タワーの高さは333メートルです。",
    "one two three four five six seven eight nine ten eleven twelve hello hello hello world world",
] * 3
TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n\n",
    "\t a\tb ",
    "Hello world",
    " Hello world",
    "Hello  world   !",
    "hello</s>hello",
    "<s>hello</s> hello <unk> <pad>",
    "</s></s> </s>",
    "a<x>b <x> c<x>",
    "<x><y>  <z> x<y>y",
    "<X> <x > <z> <Z>",
    "it's 12:30, isn't it? I'LL we'd",
    "1234567890 12 3.14 1,000 ½ ² ٣٤ ⅷ",
    "e\u0301 é E\u0301 Å \u212b ﬁ ｶﾞ",
    "\ufeffHello",
    "Hello\ufeff\u200b\u00a0world\u3000!",
    "東京タワーの高さは333メートル",
    "привет, שלום, Ελλάδα ΣΊΣΥΦΟΣ",
    "🗼👩‍👩‍👧🏽 🇫🇷",
    "Ω ψ Hello ΩΩ",
    "<0x41> <0x0A>",
    "▁ ▁hello▁world",
    "Ġhello ##ello ##",
    "a\r\nb\rc\u2028d\u0085e",
    "\x00 \x01\x7f",
    "WORLD World wORLD İı ß ẞ",
    "snake_case camelCase kebab-case http://a.b/c?d=e&f#g",
    "   leading and trailing   ",
    "x" * 120,
    "hello " * 30,
    "do n't , is n't . a ' b",
    "[CLS] hello [SEP] [MASK]",
    "\U00010348\U000e0001 \ud7ff\ue000",
]


@functools.cache
def lib():
    import tokenizers as library

    return library


N = lambda: lib().normalizers
P = lambda: lib().pre_tokenizers
D = lambda: lib().decoders
M = lambda: lib().models
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def parts(tokenizer, normalizer=None, pre=None, decoder=None, post=None):
    for name, part in (("normalizer", normalizer), ("pre_tokenizer", pre), ("decoder", decoder), ("post_processor", post)):
        if part is not None:
            setattr(tokenizer, name, part)
    return tokenizer


def byte_bpe(pre=None, size=420, **more):
    """Byte-level BPE; `pre` comes before the bytes."""
    last = P().ByteLevel(add_prefix_space=more.pop("prefix", False), use_regex=pre is None)
    model = {key: more.pop(key) for key in ("unk_token", "fuse_unk", "ignore_merges") if key in more}
    pre = last if pre is None else P().Sequence([*(pre if isinstance(pre, list) else [pre]), last])
    tokenizer = parts(lib().Tokenizer(M().BPE(**model)), pre=pre, **{"decoder": D().ByteLevel(), **more})
    trainer = lib().trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=P().ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def plain_bpe(pre, size=200, trainer=None, **more):
    model = {key: more.pop(key) for key in ("fuse_unk", "continuing_subword_prefix", "end_of_word_suffix") if key in more}
    tokenizer = parts(lib().Tokenizer(M().BPE(unk_token="<unk>", **model)), pre=pre, **more)
    given = {
        "continuing_subword_prefix": model.get("continuing_subword_prefix"),
        "end_of_word_suffix": model.get("end_of_word_suffix"),
    }
    given = {key: value for key, value in given.items() if value is not None}
    tokenizer.train_from_iterator(
        CORPUS[:2],
        lib().trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False, **given, **(trainer or {})),
    )
    return tokenizer


def piece_bpe(normalizer="old", fuse_unk=True, byte_fallback=True, bytes_there=True, **more):
    """As Llama 2's and Gemma's files are: BPE of pieces with spaces as ▁ and bytes for what has no piece."""
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyzHW,.'0123456789é"]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("▁", "hello"), ("▁", "w"), ("o", "r"), ("▁", "▁"), ("▁▁", "▁▁")]
    vocabulary = [*SPECIAL, *(BYTES if bytes_there else []), *letters, *(a + b for a, b in merges)]
    model = M().BPE(
        {token: i for i, token in enumerate(vocabulary)}, merges, unk_token="<unk>", fuse_unk=fuse_unk, byte_fallback=byte_fallback
    )
    old = N().Sequence([N().Prepend("▁"), N().Replace(" ", "▁")]) if normalizer == "old" else normalizer
    decoder = D().Sequence([D().Replace("▁", " "), D().ByteFallback(), D().Fuse(), D().Strip(" ", 1, 0)])
    tokenizer = parts(lib().Tokenizer(model), **{"normalizer": old, "decoder": decoder, **more})
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def unigram(byte_fallback=False, pre=None, **more):
    pieces = [("▁", -3.0), ("▁hello", -4.0), ("▁world", -4.2), ("hello", -6.0), ("he", -5.0), ("llo", -5.1), ("▁a", -3.5)]
    pieces += [(letter, -6.0 - i / 100) for i, letter in enumerate("abcdefghijklmnopqrstuvwxyzHW,.'0123456789é東京")]
    vocabulary = [(token, 0.0) for token in SPECIAL] + ([(byte, -20.0) for byte in BYTES] if byte_fallback else []) + pieces
    metaspace = P().Metaspace("▁", "always") if pre is None else pre
    tokenizer = parts(
        lib().Tokenizer(M().Unigram(vocabulary, unk_id=0, byte_fallback=byte_fallback)),
        pre=metaspace,
        **{"decoder": D().Metaspace("▁", "always"), **more},
    )
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def trained_unigram(**more):
    tokenizer = parts(lib().Tokenizer(M().Unigram()), pre=P().Metaspace(), decoder=D().Metaspace(), **more)
    tokenizer.train_from_iterator(
        CORPUS, lib().trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    )
    return tokenizer


def word_piece(prefix="##", normalizer=None, pre=None, most=100, **more):
    words = ["hello", "world", "capital", "paris", "it", "is", "hel", "wor", "Hello", *"abcdefghijklmnopqrstuvwxyz0123456789,.'!?é東"]
    words += [prefix + part for part in ("lo", "ld", "llo", *"abcdefghijklmnopqrstuvwxyz0123456789")]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*SPECIAL, "[CLS]", "[SEP]", "[MASK]", *words]))}
    model = M().WordPiece(vocabulary, unk_token="<unk>", continuing_subword_prefix=prefix, max_input_chars_per_word=most)
    return parts(
        lib().Tokenizer(model),
        **{
            "normalizer": normalizer,
            "pre": P().BertPreTokenizer() if pre is None else pre,
            "decoder": D().WordPiece(prefix),
            **more,
        },
    )


def word_level(pre, **more):
    words = [*SPECIAL, "hello", "world", "Hello", "it", "is", ",", ".", "12", "one", "two", "x", "a", "b"]
    return parts(lib().Tokenizer(M().WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")), pre=pre, **more)


def added(tokenizer, *tokens, special=False):
    for content, flags in tokens:
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([lib().AddedToken(content, **flags)])
    return tokenizer


def template_of(tokenizer, single):
    ids = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = lib().processors.TemplateProcessing(single=single, special_tokens=ids)
    return tokenizer


def limited(tokenizer):
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(pad_id=3, pad_token="<pad>", length=8)
    return tokenizer


# Cases: how the tokenizer is made, tokenizer_config.json beside the usual, config.json's model_type, other files -------------------------

CASES = {}


def case(name, make_tokenizer, config=None, model_type="llama", without=(), files=None, edit=None):
    CASES[name] = dict(
        tokenizer=make_tokenizer, config=config or {}, model_type=model_type, without=without, files=files or {}, edit=edit
    )


SPLITS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
case("bytes", byte_bpe)
case("bytes, a space before the text", lambda: byte_bpe(prefix=True))
case("bytes, merges ignored for known words", lambda: byte_bpe(ignore_merges=True))
for name, pattern in {"GPT-4": GPT4, "Qwen": QWEN, "o200k": O200K}.items():
    case(f"bytes, {name}'s words", lambda pattern=pattern: byte_bpe(P().Split(lib().Regex(pattern), "isolated")))
    case(
        f"bytes, {name}'s words, removed and inverted",
        lambda pattern=pattern: byte_bpe(P().Split(lib().Regex(pattern), "removed", invert=True)),
    )
for behavior in SPLITS:
    for label, pattern in {"text": " ", "expression": None}.items():
        for invert in (False, True):
            case(
                f"bytes, split by {label}, {behavior}{', inverted' if invert else ''}",
                lambda pattern=pattern, behavior=behavior, invert=invert: byte_bpe(
                    P().Split(pattern if pattern is not None else lib().Regex(r"\s+|\d"), behavior, invert=invert)
                ),
            )
    case(f"bytes, punctuation {behavior}", lambda behavior=behavior: byte_bpe(P().Punctuation(behavior)))
case("bytes, digits apart", lambda: byte_bpe(P().Digits(individual_digits=True)))
case("bytes, digits together", lambda: byte_bpe(P().Digits(individual_digits=False)))
case("bytes, as SmolLM2", lambda: parts(byte_bpe(), pre=P().Sequence([P().Digits(individual_digits=True), P().ByteLevel(False)])))
case("bytes, pieces of three", lambda: byte_bpe(P().FixedLength(3)))
case("bytes, by scripts", lambda: byte_bpe(P().UnicodeScripts()))
case("bytes, split at x", lambda: byte_bpe(P().CharDelimiterSplit("x")))
case("bytes, look-behind", lambda: byte_bpe(P().Split(lib().Regex(r"(?<=\p{L})(?=\p{N})|\s"), "isolated")))
case("bytes, possessive and classes", lambda: byte_bpe(P().Split(lib().Regex(r"\p{Han}++|[\p{L}&&[^a-c]]+|[[:punct:]]"), "isolated")))
for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
    case(f"bytes, {name}", lambda name=name: byte_bpe(normalizer=getattr(N(), name)()))
case("bytes, NFD, accents stripped, lower case", lambda: byte_bpe(normalizer=N().Sequence([N().NFD(), N().StripAccents(), N().Lowercase()])))
case("bytes, stripped", lambda: byte_bpe(normalizer=N().Strip()))
case("bytes, stripped at the left", lambda: byte_bpe(normalizer=N().Strip(left=True, right=False)))
case("bytes, a text replaced", lambda: byte_bpe(normalizer=N().Replace("hello", "HELLO ")))
case("bytes, an expression replaced", lambda: byte_bpe(normalizer=N().Replace(lib().Regex(r"\s{2,}"), " ")))
case("bytes, prepended", lambda: byte_bpe(normalizer=N().Prepend("x ")))
case("bytes as normaliser", lambda: parts(byte_bpe(), normalizer=N().ByteLevel(), pre=P().Split(lib().Regex("Ġ"), "merged_with_next")))
case("bytes, no decoder", lambda: byte_bpe(decoder=None))
for name, post in {
    "ends": lambda: template_of(byte_bpe(), "<s> $A </s>"),
    "two starts": lambda: template_of(byte_bpe(), "<s> <s> $A"),
    "only behind": lambda: template_of(byte_bpe(), "$A </s>"),
    "bert": lambda: byte_bpe(post=lib().processors.BertProcessing(("</s>", 2), ("<s>", 1))),
    "roberta": lambda: byte_bpe(post=lib().processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=True, add_prefix_space=False)),
    "bytes": lambda: byte_bpe(post=lib().processors.ByteLevel(trim_offsets=False)),
}.items():
    case(f"bytes, around a text: {name}", post)
case("bytes, truncation and padding on", lambda: limited(byte_bpe()))
case("BPE of words, unknown fused", lambda: plain_bpe(P().WhitespaceSplit(), fuse_unk=True))
case("BPE of words, unknown apart", lambda: plain_bpe(P().WhitespaceSplit()))
case("BPE, prefix of parts", lambda: plain_bpe(P().Whitespace(), continuing_subword_prefix="##"))
case("BPE, suffix of words", lambda: plain_bpe(P().Whitespace(), end_of_word_suffix="</w>", decoder=D().BPEDecoder("</w>")))
case("BPE, metaspace first", lambda: plain_bpe(P().Metaspace("▁", "first"), decoder=D().Metaspace("▁", "first")))
case("BPE, metaspace never", lambda: plain_bpe(P().Metaspace("▁", "never"), decoder=D().Metaspace("▁", "never")))
case("BPE, metaspace always, not split", lambda: plain_bpe(P().Metaspace("_", "always", split=False), decoder=D().Metaspace("_", "always")))
case("pieces", piece_bpe)
case("pieces, unknown apart", lambda: piece_bpe(fuse_unk=False))
case("pieces, no bytes", lambda: piece_bpe(byte_fallback=False, bytes_there=False))
case("pieces, bytes that are missing", lambda: piece_bpe(bytes_there=False))
case("pieces, metaspace", lambda: piece_bpe(normalizer=None, pre=P().Metaspace("▁", "first", split=False)))
case("Unigram", unigram)
case("Unigram, bytes", lambda: unigram(byte_fallback=True))
case("Unigram, trained", trained_unigram)
case("Unigram, trained, NFKC", lambda: trained_unigram(normalizer=N().Sequence([N().Nmt(), N().NFKC(), N().Replace(lib().Regex(" {2,}"), " ")])))
case("Unigram, metaspace first", lambda: unigram(pre=P().Metaspace("▁", "first")))
case("Unigram, words apart", lambda: unigram(pre=P().Sequence([P().WhitespaceSplit(), P().Metaspace("▁", "always")])))
case("WordPiece, BERT uncased", lambda: word_piece(normalizer=N().BertNormalizer()))
case("WordPiece, BERT cased", lambda: word_piece(normalizer=N().BertNormalizer(lowercase=False)))
case("WordPiece, accents kept", lambda: word_piece(normalizer=N().BertNormalizer(strip_accents=False)))
case("WordPiece, Chinese not parted", lambda: word_piece(normalizer=N().BertNormalizer(handle_chinese_chars=False)))
case("WordPiece, another prefix", lambda: word_piece(prefix="~"))
case("WordPiece, short words", lambda: word_piece(most=6))
case("WordPiece, cleaned up", lambda: word_piece(), {"clean_up_tokenization_spaces": True})
case("WordPiece, decoder does not clean", lambda: word_piece(decoder=D().WordPiece("##", cleanup=False)))
case("WordLevel", lambda: word_level(P().Whitespace()))
case("WordLevel, whitespace alone", lambda: word_level(P().WhitespaceSplit()))
case("WordLevel, unknown not named", lambda: word_level(P().Whitespace()), without=("unk_token",))
case("WordLevel, no pre-tokenizer", lambda: word_level(None))
FLAGS = {
    "plain": {},
    "lstrip": {"lstrip": True},
    "rstrip": {"rstrip": True},
    "both strips": {"lstrip": True, "rstrip": True},
    "single_word": {"single_word": True},
    "normalized": {"normalized": True},
    "not normalized": {"normalized": False},
    "single_word and strips": {"single_word": True, "lstrip": True, "rstrip": True},
}
for name, flags in FLAGS.items():
    for special in (False, True):
        case(
            f"added, {name}{', special' if special else ''}",
            lambda flags=flags, special=special: added(
                byte_bpe(normalizer=N().Lowercase()), ("<x>", flags), ("<y>", {}), ("<Z>", flags), special=special
            ),
        )
case("added, one within another", lambda: added(byte_bpe(), ("<x>", {}), ("<x><y>", {}), ("x", {"single_word": True})))
case("added, spaces", lambda: added(byte_bpe(), ("  ", {}), ("\n\n", {}), ("    ", {})))
case("added to pieces", lambda: added(piece_bpe(), ("<x>", {}), ("<y>", {"normalized": False}), ("hello", {})))
case("added to Unigram", lambda: added(unigram(), ("<x>", {}), ("<y>", {"normalized": False, "rstrip": True})))
case("added, a word of the vocabulary", lambda: added(byte_bpe(), ("hello", {}), ("h", {"single_word": True})))


def by_id(tokenizer_size, content, **flags):
    return {str(tokenizer_size): {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **flags}}


case("by id in tokenizer_config", byte_bpe, {"added_tokens_decoder": by_id(420, "<x>")})
case("by id, not special", byte_bpe, {"added_tokens_decoder": {**by_id(420, "<x>", special=False), **by_id(421, "<y>", special=False, normalized=True, lstrip=True)}})
case("by id, out of order", byte_bpe, {"added_tokens_decoder": {**by_id(421, "<x>"), **by_id(420, "<y>")}})
case("by id, other flags than the file's", lambda: added(byte_bpe(), ("<x>", {})), {"added_tokens_decoder": by_id(420, "<x>", lstrip=True)})
case("by id, a gap", byte_bpe, {"added_tokens_decoder": by_id(500, "<x>")})
case("additional_special_tokens", byte_bpe, {"additional_special_tokens": ["<x>", "<y>"]})
case("additional_special_tokens with flags", byte_bpe, {"additional_special_tokens": [{"__type": "AddedToken", "content": "<x>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}]})
case("extra_special_tokens, a list", byte_bpe, {"extra_special_tokens": ["<x>", "<y>"]})
case("extra_special_tokens with names", byte_bpe, {"extra_special_tokens": {"image_token": "<x>", "audio_token": "<y>"}})
case("extra_special_tokens with names, additional_special_tokens", byte_bpe, {"extra_special_tokens": {"image_token": "<x>"}, "additional_special_tokens": ["<y>"]})
case("named tokens of the model's own", byte_bpe, {"image_token": "<x>", "boi_token": "<y>"})
case("special_tokens_map", byte_bpe, without=("eos_token",), files={"special_tokens_map.json": {"eos_token": "</s>", "bos_token": "<s>", "sep_token": "<x>", "additional_special_tokens": ["<y>"]}})
case("special_tokens_map against tokenizer_config", byte_bpe, {"sep_token": "<y>"}, files={"special_tokens_map.json": {"sep_token": "<x>"}})
case("special_tokens_map with flags", byte_bpe, files={"special_tokens_map.json": {"sep_token": {"content": "<x>", "lstrip": True, "rstrip": True, "normalized": False, "single_word": False}}})
case("added_tokens.json", byte_bpe, files={"added_tokens.json": {"<x>": 420, "<y>": 421}})
case("special tokens that the file has not", byte_bpe, {"mask_token": "<x>", "cls_token": "<y>"})
case("a named token with flags", byte_bpe, {"mask_token": {"__type": "AddedToken", "content": "<x>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": True, "special": True}})
case("clean_up on BPE", byte_bpe, {"clean_up_tokenization_spaces": True})
case("clean_up on Unigram", unigram, {"clean_up_tokenization_spaces": True})
case("split_special_tokens", byte_bpe, {"split_special_tokens": True})
case("model_max_length", byte_bpe, {"model_max_length": 4})
case("padding and truncation sides", byte_bpe, {"padding_side": "left", "truncation_side": "left"})
case("do_lower_case", byte_bpe, {"do_lower_case": True})
case("add_bos_token", byte_bpe, {"bos_token": "<s>", "add_bos_token": True})
case("add_bos_token and add_eos_token", byte_bpe, {"bos_token": "<s>", "add_bos_token": True, "add_eos_token": True})
case("add_bos_token false against the file", lambda: template_of(byte_bpe(), "<s> $A"), {"bos_token": "<s>", "add_bos_token": False})
case("add_prefix_space, generic", byte_bpe, {"add_prefix_space": True})
case("no tokenizer_class", byte_bpe, without=("tokenizer_class",))
case("no tokenizer_class, no model_type", byte_bpe, without=("tokenizer_class",), model_type=None)
case("an unknown class", byte_bpe, {"tokenizer_class": "OurTokenizer"})
case("class TokenizersBackend", byte_bpe, {"tokenizer_class": "TokenizersBackend"})
LLAMA = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"}
case("class Llama", piece_bpe, LLAMA)
case("class LlamaTokenizerFast", piece_bpe, {**LLAMA, "tokenizer_class": "LlamaTokenizerFast"})
case("class Llama, legacy", piece_bpe, {**LLAMA, "legacy": True})
case("class Llama, not legacy", piece_bpe, {**LLAMA, "legacy": False})
case("class Llama, no prefix space", piece_bpe, {**LLAMA, "add_prefix_space": False})
case("class Llama, bos and eos", piece_bpe, {**LLAMA, "add_bos_token": True, "add_eos_token": True})
case("class Llama, no bos", piece_bpe, {**LLAMA, "add_bos_token": False})
case("class Llama, bytes", lambda: template_of(byte_bpe(), "<s> $A"), LLAMA)
case("class Llama, Unigram", unigram, LLAMA)
case("class Llama by model_type alone", piece_bpe, {"bos_token": "<s>"}, without=("tokenizer_class",))
case("class Llama, added tokens", lambda: added(piece_bpe(), ("<x>", {}), ("<y>", {"lstrip": True})), LLAMA)
case("class Llama, by id", piece_bpe, {**LLAMA, "added_tokens_decoder": {**by_id(0, "<unk>"), **by_id(1, "<s>"), **by_id(2, "</s>", rstrip=True)}})
case("mistral's class Llama", piece_bpe, LLAMA, model_type="mistral")
case("mistral, generic", lambda: template_of(byte_bpe(P().Split(lib().Regex(GPT4), "isolated")), "<s> $A"), {"bos_token": "<s>"}, model_type="mistral")
GEMMA = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<s>", "pad_token": "<pad>", "unk_token": "<unk>"}
case("class Gemma", piece_bpe, GEMMA, model_type="gemma3_text")
case("class GemmaTokenizerFast, bos", piece_bpe, {**GEMMA, "tokenizer_class": "GemmaTokenizerFast", "add_bos_token": True}, model_type="gemma3_text")
case("class Gemma, its file", lambda: template_of(piece_bpe(normalizer=N().Replace(" ", "▁"), pre=P().Split(" ", "merged_with_previous")), "<s> $A"), GEMMA, model_type="gemma3_text")
QWEN2 = {"tokenizer_class": "Qwen2Tokenizer", "pad_token": "<pad>", "unk_token": None}
case("class Qwen2", byte_bpe, QWEN2, model_type="qwen2")
case("class Qwen2, its file", lambda: byte_bpe(P().Split(lib().Regex(QWEN), "isolated"), normalizer=N().NFC()), QWEN2, model_type="qwen2")
case("qwen2, generic class", byte_bpe, model_type="qwen2")
case("qwen2, WordPiece", lambda: word_piece(), model_type="qwen2")
case("qwen3, generic class", byte_bpe, {"pad_token": "<pad>"}, model_type="qwen3")
case("qwen3, no class", byte_bpe, {"pad_token": "<pad>"}, model_type="qwen3", without=("tokenizer_class",))
case("class Qwen2, added tokens", lambda: added(byte_bpe(), ("<x>", {}), ("<y>", {"rstrip": True}), special=True), QWEN2, model_type="qwen2")
case("class Qwen2, prefix space", byte_bpe, {**QWEN2, "add_prefix_space": True}, model_type="qwen2")
GPT2 = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>"}
case("class GPT2", byte_bpe, GPT2)
case("class GPT2, prefix space", byte_bpe, {**GPT2, "add_prefix_space": True})
case("class GPT2, other words", lambda: byte_bpe(P().Split(lib().Regex(GPT4), "isolated")), GPT2)
case("class GPT2, lower case", lambda: byte_bpe(normalizer=N().Lowercase()), GPT2)
case("class GPT2, bos", byte_bpe, {**GPT2, "add_bos_token": True})
case("class GPTNeoX", byte_bpe, {**GPT2, "tokenizer_class": "GPTNeoXTokenizer"})
case("class Llama, ministral", piece_bpe, LLAMA, model_type="ministral")
case("class Qwen2, ministral", byte_bpe, QWEN2, model_type="ministral")
PHI3 = {**LLAMA, "tokenizer_class": "Phi3Tokenizer"}
case("class Phi3", piece_bpe, PHI3)
case("class Phi3Fast, qwen3", piece_bpe, {**PHI3, "tokenizer_class": "Phi3TokenizerFast", "pad_token": "<pad>"}, model_type="qwen3")
case("class Phi3, bytes", byte_bpe, PHI3)
case("class Bart", byte_bpe, {"tokenizer_class": "BartTokenizer"})
OWN_CODE = {"auto_map": {"AutoTokenizer": ["code.OurTokenizer", None]}}
case("class Llama, bytes, code of its own", byte_bpe, {**LLAMA, **OWN_CODE})
case("mistral's class Llama, code of its own", piece_bpe, {**LLAMA, **OWN_CODE}, model_type="mistral")
case("qwen2, generic class, code of its own", byte_bpe, OWN_CODE, model_type="qwen2")
case("qwen2, unknown class, code of its own", byte_bpe, {**OWN_CODE, "tokenizer_class": "OurTokenizer"}, model_type="qwen2")
case("class PreTrainedTokenizer", byte_bpe, {"tokenizer_class": "PreTrainedTokenizer"})
case("class Bert", lambda: word_piece(normalizer=N().BertNormalizer()), {"tokenizer_class": "BertTokenizer", "unk_token": "<unk>", "sep_token": "[SEP]", "cls_token": "[CLS]", "pad_token": "<pad>", "mask_token": "[MASK]"})
case("class T5", trained_unigram, {"tokenizer_class": "T5Tokenizer", "unk_token": "<unk>", "pad_token": "<pad>"})
case("class Cohere", byte_bpe, {"tokenizer_class": "CohereTokenizer"})


def old_merges(folder):
    path = folder / "tokenizer.json"
    value = read_json(path)
    value["model"]["merges"] = [" ".join(merge) if isinstance(merge, list) else merge for merge in value["model"]["merges"]]
    write_json(path, value)


def sparse_file(folder):
    """What older versions of the library left out."""
    path = folder / "tokenizer.json"
    value = read_json(path)
    for key in ("byte_fallback", "ignore_merges", "fuse_unk", "continuing_subword_prefix", "end_of_word_suffix", "dropout", "unk_token"):
        value["model"].pop(key, None)
    write_json(path, value)


def model_without_type(folder):
    path = folder / "tokenizer.json"
    value = read_json(path)
    value["model"].pop("type")
    write_json(path, value)


def dropout(folder):
    path = folder / "tokenizer.json"
    value = read_json(path)
    value["model"]["dropout"] = 0.0
    write_json(path, value)


case("merges as texts", byte_bpe, edit=old_merges)
case("keys that older files lack", byte_bpe, edit=sparse_file)
case("a model without type", byte_bpe, edit=model_without_type)
case("a model without type, class Qwen2", byte_bpe, QWEN2, model_type="qwen2", edit=model_without_type)
case("a model without type, class GPT2", byte_bpe, GPT2, edit=model_without_type)
case("a model without type, class Llama", piece_bpe, LLAMA, edit=model_without_type)
case("dropout 0", byte_bpe, edit=dropout)

NAMES = list(CASES)
QUICK = {
    "bytes",
    "bytes, GPT-4's words",
    "bytes, o200k's words",
    "bytes, split by text, merged_with_next",
    "bytes, split by expression, removed, inverted",
    "bytes, split by expression, contiguous",
    "bytes, punctuation merged_with_previous",
    "bytes, as SmolLM2",
    "bytes, NFKC",
    "bytes, around a text: ends",
    "bytes, truncation and padding on",
    "BPE of words, unknown fused",
    "BPE, suffix of words",
    "pieces",
    "Unigram, bytes",
    "Unigram, trained, NFKC",
    "WordPiece, BERT uncased",
    "WordPiece, cleaned up",
    "WordLevel, unknown not named",
    "added, single_word",
    "added, lstrip, special",
    "added, normalized",
    "by id, out of order",
    "extra_special_tokens with names",
    "special_tokens_map",
    "added_tokens.json",
    "class Llama",
    "class Llama, legacy",
    "mistral's class Llama",
    "class Gemma",
    "class Qwen2",
    "qwen2, WordPiece",
    "class GPT2, prefix space",
    "keys that older files lack",
}
CHAT = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"


def source_of(name):
    return None


def write(name, folder):
    made = CASES[name]
    made["tokenizer"]().save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": CHAT}
    write_json(folder / "tokenizer_config.json", {**config, **made["config"]})
    change_json(folder / "tokenizer_config.json", {}, made["without"])
    write_json(folder / "config.json", {"model_type": made["model_type"]} if made["model_type"] else {})
    for file, value in made["files"].items():
        write_json(folder / file, value)
    if made["edit"]:
        made["edit"](folder)


def make(name, folder):
    write(name, folder)
    tokenizer = transformers().AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    whole = [tokenizer(text)["input_ids"] for text in TEXTS]
    size = 1 + max(tokenizer.get_vocab().values())
    lists = [*ids, [0, 1, 2, 3], list(range(4, min(size, 60))), list(range(size - 1, max(size - 30, 0), -1)), []]
    return {
        "texts": TEXTS,
        "ids": ids,
        "whole": whole,
        "lists": lists,
        "decoded": [tokenizer.decode(each) for each in lists],
        "decodedPlain": [tokenizer.decode(each, skip_special_tokens=True) for each in lists],
        "class": type(tokenizer).__name__,
    }
