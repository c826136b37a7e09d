"""What transformers renders of chat templates that cover the language: the fixture of libs/text/src/jinja/jinja.parity.test.ts.

    python tools/parity/templates.py libs/text/src/fixtures/chat-templates.json
    python tools/parity/templates.py rendered.json TEMPLATE.jinja ...     # of other templates, such as those of TRL

Every template is rendered by `apply_chat_template` of a tokenizer with the special tokens below, on 26 July 2024. What raises
there has no text here. tools/parity/templates.mjs compares such a file with this project."""

import json
import os
import pathlib
import platform
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import datetime

import jinja2
import tokenizers
import transformers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
NAMED = {"image_token": "<image>", "boi_token": "<img>"}


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = Day


def turn(role, content):
    return {"role": role, "content": content}


CHATS = {
    "question": [turn("user", "Who wrote the first program?")],
    "system": [turn("system", "Be brief."), turn("user", " Two?\n"), turn("assistant", "2"), turn("user", "And twice that?")],
    "answered": [turn("user", "東京タワー 🗼 \"é\" <b>&'\\\n"), turn("assistant", "333 m\n\n")],
    "thought": [turn("user", "Why?"), turn("assistant", "<think>\nHm.\n</think>\n\nSo."), turn("user", "And?"), turn("assistant", "Yes.")],
}

# Expressions, each printed on its own.
EXPRESSIONS = r"""
true
False
none
None
add_generation_prompt
tools
documents
messages
messages[0]
messages|length
1
-1
1_000
0x1F
0b101
0o17
1.0
1.5e3
1e16
1e15
123456789012345680.0
0.0001
0.00001
1e-7
1.1
-0.0
1e300*1e10
(1e300*1e10)*0
10**20
2**0.5
2**-1
2**3**2
-2**2
7//2
-7//2
7//-2
7.5//2
-7.5//2
7%3
-7%3
7%-3
7.5%2
-7.5%2
5.0%-3
1/2
4/2
1/3
7+2.5
7-2.5
3*2.5
true+true
true*3
-true
+true
1 == 1.0
1 == true
"1" == 1
1 < 2 < 3
1 < 3 < 2
1 < 2 > 1
1 in [1, 2] == true
"a" < "b"
"a" < "B"
"\U0001f600" > "\uffff"
[1, 2] < [1, 3]
(1, 2) < (1, 2, 3)
[1] == (1,)
[1, [2, 3]] == [1, [2, 3]]
{"a": 1} == {"a": 1.0}
"a" in "abc"
"z" not in "abc"
1 in {1: 2}
"role" in messages[0]
3 in range(5)
none in [none]
not true
not none
true and 0
0 or "x"
"" or none or "y"
1 and 2
"x" if true
"x" if false
("x" if false) is defined
"x" if false else "y"
"a" ~ 1 ~ none ~ 1.0 ~ [1] ~ true
"-" * 5
3 * "ab"
[1] * 3
(1,) * 2
"a" * -1
"ab" + "cd"
[1] + [2, "x"]
(1,) + (2,)
"a" "b" 'c'
()
(1,)
(1, 2)
1, 2
[]
[1, "a", none, true, 1.5, [2], (3,), {"k": 1}]
{}
{"a": 1, 'b': [none]}
{1: 2, 1.0: 3, true: 4}
{none: 1, (1, 2): 2}
{"a": 1, "a": 2}
"it's"
'say "x"'
["it's", 'say "x"', 'both \' and "', "tab\t nl\n cr\r bs\\ nul\0 del\x7f"]
["é 東京 🗼 \u00ad \u200b \u2028 \ufeff \U0001f600 \x85 \xa0"]
"\x41\u00e9\101\a\b\f\v|"
"\z \é"
'\
x'
"abc"[0]
"abc"[-1]
"abc"[5]
"abc"[5] is defined
"abcdef"[1:4]
"abcdef"[:-1]
"abcdef"[::2]
"abcdef"[::-1]
"abcdef"[-3:]
"abcdef"[4:1:-1]
"a🗼b"[1]
"a🗼b"[::-1]
"a🗼b"|length
[1,2,3,4][1:]
[1,2,3,4][::-1]
(1,2,3)[1:]
[1,2,3][1]
[1,2,3][-1]
[1,2,3][3]
[1,2,3].1
[1,2,3]["a"]
[1,2,3][true]
{"a": 1}["a"]
{"a": 1}.a
{"a": 1}.b
{"a": 1}.b is defined
{"items": 1}.items
{"items": 1}["items"]
{"a": 1}["get"]("a")
{"a": none}.get("a", 1)
{"a": 1}.get("b")
{"a": 1}.get("b", 2)
{"a": 1}.keys()
{"a": 1}.values()
{"a": 1}.items()
{"a": 1, "b": 2}.keys()|list
{"a": 1, "b": 2}.items()|list
"a" in {"a": 1}.keys()
("a", 1) in {"a": 1}.items()
{"a": 1}.copy()
{"a": 1}.update({"b": 2})
[1].append(2)
[1].append
[1].append is defined
[1, 2, 1].count(1)
[1, 2, 1].index(2)
(1, 2).index(3)
undefined_name
undefined_name is defined
undefined_name is undefined
undefined_name.x
undefined_name + 1
undefined_name ~ "x"
undefined_name == undefined_name2
undefined_name|length
undefined_name|list
undefined_name|default("d")
""|default("d")
""|default("d", true)
none|default("d")
none|d("d", boolean=true)
undefined_name is none
undefined_name is callable
undefined_name in [1]
1 in undefined_name
undefined_name()
[undefined_name]
undefined_name|tojson
not undefined_name
undefined_name < 1
range(3)
range(1, 4)|list
range(4, 0, -1)|list
range(3)|length
range(2, 10, 3)[-1]
range(0)
range(5) == range(0, 5)
range(100001)
"%s and %d" % ("a", 3)
"%s" % "x"
"%s" % none
"%5.1f|%-5s|%05d|%+d|%x|%e|%g|%%" % (3.14159, "ab", 42, 7, 255, 12345.678, 0.0001)
"%(a)s" % {"a": 1}
"%r" % "x"
"%s" % (1, 2)
"%d" % "x"
"%.2f" % 2.675
"%.0f" % 0.5
"%.0f" % 1.5
"%g" % 1e20
"%i" % 3.9
"{} {}".format(1, "a")
"{0} {1} {0}".format("x", "y")
"{a} {b!r}".format(a=1, b="x")
"{:>5}|{:<5}|{:^5}|{:05d}|{:+.2f}|{:,}|{:x}|{:e}|{:.1%}".format("a", "b", "c", 42, 3.14159, 1234567, 255, 12345.678, 0.256)
"{a[b]} {c.d}".format(a={"b": 1}, c={"d": 2})
"{{}} {}".format(1)
"{".format(1)
"{}".format()
"{:*^9}".format("mid")
"{:{w}}|".format("x", w=4)
"{:.3}".format("abcdef")
"{} {0}".format(1)
"{x}".format_map({"x": 3})
"hello world"|capitalize
"ab cD"|title
"it's a-b (c) <d> [e] {f}"|title
"HELLO"|lower
"straße"|upper
"ǆ ß ﬁ ŉ"|upper
"ΑΣ ΑΣΑ"|lower
"ab"|center(7)|replace(" ", ".")
"abc"|center(6)|replace(" ", ".")
"a"|center
" x "|trim
"xxaxx"|trim("x")
"\u3000 x\u2003\x1c"|trim ~ "|"
"\ufeffx"|trim|length
1|trim
"a,b,a"|replace("a", "z")
"a,b,a"|replace("a", "z", 1)
"ab"|replace("", "-")
1.5|replace(".", ",")
"abc"|first
"abc"|last
[]|first
[]|last
[]|first is defined
messages|first
(messages|last).role
"abc"|list
"abc"|reverse
[1,2,3]|reverse|list
[1,2,3]|length
{"a": 1}|length
5|length
"abc"|count
["b", "A", "c"]|sort
["b", "A", "c"]|sort(case_sensitive=true)
["b", "A", "c"]|sort(reverse=true)
[3, 1, 2]|sort
[3, "a"]|sort
[{"n": "b", "v": 1}, {"n": "a", "v": 1}, {"n": "c", "v": 0}]|sort(attribute="v,n")|map(attribute="n")|list
[{"a": {"b": 2}}, {"a": {"b": 1}}]|sort(attribute="a.b")
["a", "A", "b", "a"]|unique|list
["a", "A"]|unique(true)|list
[[1], [1]]|unique|list
[1, 5, 3]|max
[1, 5, 3]|min
["b", "A"]|min
["b", "A"]|max(case_sensitive=true)
[]|max
[{"v": 1}, {"v": 3}]|max(attribute="v")
[1, 2, 3]|sum
[1, 2]|sum(start=10)
[{"v": 1}, {"v": 3}]|sum(attribute="v")
["a"]|sum
[[1], [2]]|sum(start=[])
[0.5]|sum
[1, 2]|join
[1, none, "a", 2.0]|join(", ")
messages|join(" / ", attribute="role")
messages|map(attribute="role")|join(",")
messages|map(attribute="nope", default="d")|list
messages|map(attribute="nope")|list
["a", "b"]|map("upper")|list
["a ", " b"]|map("trim")|map("replace", "b", "c")|list
[1, 2]|map("nope")|list
messages|map(attribute="content.0")|list
[1, 2, 3, 4]|select("odd")|list
[1, 2, 3, 4]|select("divisibleby", 2)|list
[0, 1, "", "a", none]|select|list
[1, 2, 3]|reject("equalto", 2)|list
[0, 1, "", "a"]|reject|list
messages|selectattr("role", "equalto", "user")|list|length
messages|selectattr("role", "eq", "user")|map(attribute="content")|first
messages|selectattr("role", "in", ["system", "assistant"])|list|length
messages|selectattr("nope")|list
messages|selectattr("nope", "defined")|list
messages|rejectattr("role", "equalto", "user")|list|length
[1, 2, 3, 4, 5]|batch(2)|list
[1, 2, 3, 4, 5]|batch(2, "x")|list
[1, 2, 3, 4, 5]|slice(3)|list
[1, 2, 3, 4, 5]|slice(3, "x")|list
messages|groupby("role")|length
[{"c": "x", "n": 1}, {"c": "Y", "n": 2}, {"c": "X", "n": 3}]|groupby("c")
[{"c": "x", "n": 1}, {"n": 2}]|groupby("c", default="z")
{"b": 1, "A": 2}|dictsort
{"b": 1, "A": 2}|dictsort(true)
{"b": 1, "a": 2}|dictsort(by="value")
{"b": 1, "a": 2}|dictsort(false, "key", true)
{"b": 1}|items|list
undefined_name|items|list
"x"|items|list
42.55|round
42.55|round(1)
2.5|round
3.5|round
2.675|round(2)
42.55|round(1, "floor")
42.51|round(1, "ceil")
42.5|round(0, "ceil")
42|round
1234|round(-2)
1250|round(-2)
1234.5|round(-2)
42.5|round(0, "up")
"42"|int
" 42 "|int
"42.23"|int
"x"|int
"x"|int(7)
"0x1F"|int(base=16)
"1010"|int(0, 2)
"1_000"|int
3.99|int
-3.99|int
true|int
none|int
none|int(5)
"1e3"|int
"1.5"|float
"x"|float
"inf"|float
1|float
none|float(2.5)
-5|abs
-2.5|abs
"x"|abs
"x"|string
1|string
[1, "a"]|string
none|string|length
"a b"|wordcount
"Größe, it's 2 x_y"|wordcount
"a\nb\n\nc"|indent
"a\nb\n\nc"|indent(2, true)
"a\nb\n\nc"|indent(2, blank=true)
"a\nb"|indent("> ")
"a\nb\n"|indent(1) ~ "|"
""|indent ~ "|"
"a\r\nb\x0bc"|indent(1)
"foo bar baz qux"|truncate(9)
"foo bar baz qux"|truncate(9, true)
"foo bar baz qux"|truncate(11)
"foo bar baz qux"|truncate(9, false, "..", 0)
"foo"|truncate(2)
1000|filesizeformat
1|filesizeformat
0|filesizeformat
1500000|filesizeformat
1500000|filesizeformat(true)
"a b/c?d=é&'()*!~"|urlencode
{"a b": "c d", "e": 1}|urlencode
[("a", 1)]|urlencode
"%s-%s"|format("a", 1)
"%(x)s"|format(x=3)
"<b>&\"'"|escape
"<b>"|e
"<b>"|safe
"<b>"|safe|length
"<b>"|escape ~ "<i>"
"<b>"|escape is escaped
"<b>"|escape|string
"<b>"|escape + "<i>"
("<b>"|escape)|upper
("<b>"|escape)|replace("&", "x")
["<b>"|safe]
["<b>"|safe]|join
"x"|forceescape
messages|tojson
messages|tojson(indent=2)
messages|tojson(indent=4, ensure_ascii=true)
messages|tojson(separators=(",", ":"))
{"b": 1, "a": [1.0, none, true, "é<>&'\u2028\x7f"]}|tojson
{"b": 1, "a": []}|tojson(sort_keys=true, indent=1)
{1: "a", none: "b", true: "c", 1.5: "d"}|tojson
{(1, 2): 1}|tojson
[]|tojson(indent=2)
{}|tojson(indent=2)
[[], {}]|tojson(indent=2)
(1, 2)|tojson
"\"\\\n\t\b\f\r\x00\x1f/"|tojson
1e16|tojson
1.0|tojson
"x"|tojson(indent="\t")
["x"]|tojson(indent="--")
range(2)|tojson
"\U0001f600é"|tojson(ensure_ascii=true)
messages|attr("append")
{"a": 1}|attr("a")
"x"|attr("upper")()
" a b ".strip()
"xxaxx".strip("x")
"xxaxx".lstrip("x")
"xxaxx".rstrip("x")
" a ".lstrip() ~ "|"
" a ".rstrip() ~ "|"
"a b  c".split()
"a b  c".split(" ")
"a,b,c".split(",", 1)
"a,b,c".split(",", maxsplit=1)
"a,b,c".rsplit(",", 1)
" a  b c ".split(none, 1)
" a  b c ".rsplit(none, 1)
"abc".split("")
"".split()
"".split(",")
"a\nb\r\nc\x0bd".splitlines()
"a\nb\n".splitlines()
"a\nb".splitlines(true)
"hello world".title()
"they're bill's".title()
"hELLO wORLD".capitalize()
"ǆa ßa ﬁa".capitalize()
"ǆa ßa ﬁa".title()
"hello".upper()
"HELLO".lower()
"Hello".swapcase()
"abc".startswith("a")
"abc".startswith(("x", "a"))
"abc".startswith("b", 1)
"abc".endswith("c")
"abc".endswith(("b",))
"abcabc".find("c")
"abcabc".find("c", 3)
"abcabc".rfind("c")
"abcabc".index("b")
"abc".index("z")
"🗼abc".find("a")
"abcabc".count("bc")
"aaa".count("")
"abc".replace("b", "x")
"aaa".replace("a", "b", 2)
"-".join(["a", "b"])
"-".join([1])
"abc".partition("b")
"abc".partition("z")
"abcbd".rpartition("b")
"abc".rpartition("z")
"abc".removeprefix("a")
"abc".removesuffix("c")
"7".zfill(3)
"-7".zfill(4)
"ab".center(7, "*")
"ab".ljust(5, ".")
"ab".rjust(5, ".")
"a\tb".expandtabs(4)
"abc".isalpha()
"123".isdigit()
"12".isdecimal()
"12".isnumeric()
"a1".isalnum()
"abc".islower()
"ABC".isupper()
"Ab Cd".istitle()
" ".isspace()
"".isspace()
"a_b".isidentifier()
"a\n".isprintable()
"é".isascii()
"abc".casefold()
"abc".encode()
"abc".nope
"abc".nope()
"abc".upper
"abc".upper is callable
(5).bit_length()
(5).real
2.0.is_integer()
"abc".__class__
"abc".__class__ is defined
messages.__class__.__mro__
{"_x": 1}._x
{}["__class__"]
1 is odd
2 is even
4 is divisibleby 2
4 is divisibleby(3)
1 is number
1.0 is number
true is number
true is integer
1 is integer
1.0 is float
"x" is string
[1] is sequence
{} is sequence
{} is mapping
[1] is mapping
"x" is iterable
1 is iterable
none is none
true is true
1 is true
false is false
true is boolean
1 is boolean
"abc" is lower
"ABC" is upper
"a1" is lower
1 is eq 1
1 is equalto 1.0
1 is ne 2
1 is lt 2
2 is gt(1)
1 is le 1
1 is ge 2
1 is lessthan 2
2 is greaterthan 1
1 is in [1, 2]
1 is not in [1, 2]
1 is == 1
none is sameas none
true is sameas true
1 is sameas true
"upper" is filter
"nope" is filter
"odd" is test
range is callable
1 is callable
messages[0].content is string and messages[0].content is not none
1 is not odd
none is not none
x is defined and x
"a" is escaped
1 is nope
1|nope
(1|nope) if false else 2
2 if true else (1 is nope)
namespace(a=1)
namespace(a=1).a
namespace({"a": 2}).a
namespace(_a=1)
dict(a=1, b=2)
dict([("a", 1)], b=2)
dict.fromkeys(["a"], 0)
cycler("a", "b").next()
cycler("a", "b").current
joiner("|")() ~ "x"
lipsum(n=1)
strftime_now("%d %b %Y")
strftime_now("%A, %-d %B %y %H:%M:%S %j %p %I %w %U %W %%")
strftime_now("%Y-%m-%dT%H:%M:%S%z")
strftime_now("%x %X %c %D %F %T %R %r %e %k %l %h %C %G %g %V %u %n%t|")
strftime_now("%-m/%-d/%-y %-H %-I %-j %-M")
strftime_now("%Q")
strftime_now is defined
raise_exception is defined
raise_exception("no")
bos_token ~ eos_token ~ unk_token ~ pad_token
cls_token
cls_token is defined
image_token ~ boi_token
additional_special_tokens is defined
date_string is defined
self
loop
caller
varargs
[1, 2]|pprint
"x"|urlize
"a b c"|wordwrap(3)
{"a": 1}|xmlattr
"<b>x</b>"|striptags
[1, 2]|map("string")
messages|map(attribute="role")
[3]|random
messages[-1]["role"] == "user" and messages[-1].content
(messages|length) % 2 == 0
messages[1:]|length
messages[:-1]|length
messages[0]["content"].split("\n")[-1].lstrip("\n")
messages[0].content[:3] ~ "…"
messages[0]|items|list
{"a": 1, **{"b": 2}}
dict(**{"b": 2})
dict(*[[("a", 1)]])
[1, 2,]
f(1, 2)
1 +
(1
1 ! 2
"abc
a b
1 if
[1 2]
{"a" 1}
2 ** 10 ** 0
- 3 | abs
-3|abs
"a" ~ "b" | upper
1 + 2 ~ 3
1 ~ 2 + 3
1 ~ 2 * 3
not 1 == 2
not (1 and 0)
1 in [1] and 2 in [2]
(1, 2) | length
"a" if 1 else "b" if 0 else "c"
[("a", 1), ("b", 2)] | map("first") | list
[1, 2, 3] | map("string") | join("+")
[[1, 2], [3]] | map("length") | list
[[1, 2], [3]] | map("sum") | sum
"abc" | map("upper") | join
{"x": {"y": [10, 20]}}.x.y[1]
{"x": {"y": [10, 20]}}["x"]["y"][-1]
"0" and "1"
0.1 + 0.2
100 * 1.1
1e22
123456.789
3.0 * 2
2 ** 64
-5 % 3 * 2
10 // 3 * 3 + 10 % 3
""|list
""|reverse|list
""|sum
("<b>"|e)|list
1.5[::2]
"ΑΣ ß ﬁ".title()
"%d|%+d" % (-0.25, -0.25)
namespace(a=1)|urlencode
0 / -100
4.0 ** -2
0.25 ** 0
""" .strip("\n").replace("'\\\nx'", "'\\\x00x'").split("\n")

# Whole templates, by name.
TEMPLATES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "crlf": "{% for m in messages %}\r\n{{ m.content }}\r\n{% endfor %}\r\nend\r\n",
    "cr": "a\r{{ 'x\r\ny' }}\rb",
    "trailing newline": "a\n\n",
    "blank lines": "\n\n{% if true %}\n\n  x\n\n{% endif %}\n\n",
    "lstrip": "  {% if true %}  \n  a\n\t{% endif %}\nb {% if true %}c{% endif %}\n  {{ 1 }}\n  {# note #}\n  d",
    "signs": "a \n {%- if true -%} \n b \n {%- endif %}\n c {{- ' d ' -}} \n e {#- x -#} f",
    "plus": "  {%+ if true +%}\n  a\n  {%+ endif %}\nb\n {#+ x +#}\n c",
    "minus number": "{{-5}} {{ -5 }} {{- 5 -}} x",
    "comments": "{# a {{ b }} {% c %} #}x{# multi\nline #}\ny{# {# #}z",
    "raw": "{% raw %}{{ x }} {% if %}{% endraw %}\n a {%- raw -%}  b  {%- endraw -%}  c\n  {% raw %}\nd\n  {% endraw %}\ne",
    "no data": "",
    "only text": "just { text } with % } and # }",
    "set": "{% set a = 1 %}{% set b, c = 2, 'x' %}{% set d = a, b %}{{ a }}{{ b }}{{ c }}{{ d }}",
    "set block": "{% set a %}x{{ 1 + 1 }}y{% endset %}{{ a }}{% set b | upper | replace('X', 'z') %}x{{ a }}{% endset %}{{ b }}",
    "set in if": "{% if true %}{% set a = 1 %}{% endif %}{{ a }}{% if false %}{% set b = 1 %}{% endif %}{{ b }}{{ b is defined }}",
    "set in for": "{% set a = 0 %}{% for i in [1, 2] %}{{ a }}{% set a = i %}{{ a }}{% endfor %}{{ a }}",
    "set in for without one before": "{% for i in [1, 2] %}{{ a is defined }}{% set a = i %}{{ a }}{% endfor %}{{ a is defined }}",
    "set of a given name": "{% set bos_token = 'B' %}{{ bos_token }}{% for i in [1] %}{% set eos_token = 'E' %}{{ eos_token }}{% endfor %}{{ eos_token }}",
    "set later than read in a macro": "{% macro m() %}{{ messages|length }}{% endmacro %}{{ m() }}{% set messages = [] %}{{ m() }}",
    "set in a branch of a loop": "{% for i in [1, 2] %}{% if i == 1 %}{% set tools = 'x' %}{% endif %}{{ tools }}{% endfor %}",
    "namespace": "{% set ns = namespace(n=0, last=none) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.last = m.role %}{% endfor %}{{ ns.n }}{{ ns.last }}{{ ns.none }}",
    "namespace and tuple": "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "not a namespace": "{% set x = 1 %}{% set x.a = 1 %}",
    "private in a namespace": "{% set ns = namespace() %}{% set ns._a = 1 %}",
    "loop": "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}|{{ loop.previtem.role }}|{{ loop.nextitem.role if loop.nextitem is defined }};{% endfor %}",
    "loop previtem": "{% for i in [1, 2] %}{{ loop.previtem is defined }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "loop nothing before": "{% for m in messages %}{{ loop.previtem.role }}{% endfor %}",
    "loop cycle": "{% for i in range(4) %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 2) }}{% endfor %}",
    "loop printed": "{% for i in 'ab' %}{{ loop }}{% endfor %}",
    "loop over once": "{% for i in [1, 2, 3]|select('odd') %}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{% endfor %}",
    "loop if": "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.role }}{{ loop.length }}{% endfor %}",
    "loop if else": "{% for m in messages if m.role == 'nobody' %}x{% else %}none{% endfor %}",
    "loop else": "{% for i in [] %}x{% else %}e{% endfor %}{% for i in [1] %}x{% else %}e{% endfor %}{% for i in undefined_name %}x{% else %}u{% endfor %}",
    "loop else after break": "{% for i in [1] %}{% break %}{% else %}e{% endfor %}{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}f{% endfor %}",
    "loop else after continue": "{% for i in [1] %}{% continue %}{% else %}e{% endfor %}",
    "break and continue": "{% for i in range(10) %}{% if i == 1 %}{% continue %}{% endif %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "break in with": "{% for i in range(3) %}{% with a = i %}{% if a == 1 %}{% break %}{% endif %}{{ a }}{% endwith %}{% endfor %}",
    "break outside": "{% break %}",
    "break in a macro": "{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "loop unpacks": "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "loop unpacks wrongly": "{% for a, b in [1, 2] %}{% endfor %}",
    "loop unpacks too few": "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "loop over a dict": "{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}{% for c in 'xy' %}{{ c }}{% endfor %}",
    "loop over a number": "{% for i in 5 %}{% endfor %}",
    "loop over none": "{% for i in none %}{% endfor %}",
    "loop recursive": "{% for n in [{'n': 1, 'c': [{'n': 2, 'c': []}, {'n': 3, 'c': [{'n': 4, 'c': []}]}]}] recursive %}{{ n.n }}d{{ loop.depth }}[{{ loop(n.c) }}]{% endfor %}",
    "loop not recursive": "{% for i in [1] %}{{ loop([]) }}{% endfor %}",
    "loop variable set": "{% for i in [1] %}{% set loop = 1 %}{% endfor %}",
    "loop outer": "{% for i in [1, 2] %}{% set outer = loop %}{% for j in [1, 2] %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "loop variable after": "{% for i in [1] %}{% endfor %}{{ i is defined }}{{ loop is defined }}",
    "loop hides": "{% set i = 'o' %}{% for i in [1] %}{{ i }}{% endfor %}{{ i }}",
    "loop if with outer loop": "{% for x in [1, 2] %}{% for y in [1, 2] if y == loop.index %}{{ y }}{% endfor %}{% endfor %}",
    "with": "{% set a = 0 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% set c = 5 %}{% endwith %}{{ a }}{{ c is defined }}{% with %}{% set d = 1 %}{{ d }}{% endwith %}{{ d is defined }}",
    "macro": "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(b=5, a=4) }}|{{ m() }}",
    "macro defaults": "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}",
    "macro missing": "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}",
    "macro too many": "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "macro unknown name": "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "macro varargs": "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "macro attributes": "{% macro m(a, b=1) %}{{ caller is defined }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.caller }}{{ m.catch_kwargs }}{{ m }}",
    "macro globals": "{% macro m() %}{{ bos_token }}{{ x }}{{ messages|length }}{% endmacro %}{% set x = 1 %}{{ m() }}",
    "macro in a loop": "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "macro recursive": "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "macro does not set": "{% set a = 1 %}{% macro m() %}{% set a = 2 %}{{ a }}{% endmacro %}{{ m() }}{{ a }}",
    "macro text": "{% macro m() %}\n  x\n{% endmacro %}{{ m() | trim | upper }}{{ m() is string }}",
    "macro read before": "{{ m() }}{% macro m() %}x{% endmacro %}",
    "macro before default": "{% macro m(a=1, b) %}{% endmacro %}",
    "call": "{% macro m(a) %}<{{ a }}{{ caller() }}>{% endmacro %}{% call m(1) %}body{{ bos_token }}{% endcall %}",
    "call with arguments": "{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
    "call without caller": "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}",
    "no caller": "{% macro m() %}{{ caller }}{{ caller is defined }}{% endmacro %}{{ m() }}",
    "caller with default": "{% macro m(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{{ m() }}{% call m() %}yes{% endcall %}",
    "filter block": "{% filter upper | replace('A', 'x') %}abc {{ bos_token }}{% set z = 1 %}{% endfilter %}{{ z is defined }}",
    "generation": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "generation sets": "{% generation %}{% set a = 1 %}{{ a }}{% endgeneration %}{{ a is defined }}",
    "generation lines": "a\n  {% generation %}\n  x\n  {%- endgeneration %}\nb",
    "print": "{% print 1, 'x', none %}",
    "do": "{% do 1 %}",
    "colon": "{% if true: %}x{% endif %}{% for i in [1]: %}{{ i }}{% endfor %}",
    "elif": "{% for i in range(4) %}{% if i == 0 %}a{% elif i == 1 %}b{% elif i == 2 %}c{% else %}d{% endif %}{% endfor %}",
    "if tuple": "{% if 1, 2 %}x{% endif %}",
    "unclosed if": "{% if true %}x",
    "unclosed tag": "{% if true",
    "unclosed variable": "{{ 1 ",
    "unclosed comment": "{# x",
    "unclosed raw": "{% raw %} x",
    "unknown tag": "{% nope %}",
    "stray end": "{% endif %}",
    "empty variable": "{{ }}",
    "brackets": "{{ {'a': {'b': 1}}['a'] }}{{ {'a': {}} }}",
    "braces in text": "{{ '}}' }}{{ '{{' }}{{ \"%}\" }}",
    "many lines in a tag": "{{ {\n  'a': 1,\n  'b': [\n    2\n  ]\n} }}",
    "unknown filter in if": "{% if false %}{{ 1|nope }}{% endif %}x",
    "unknown filter in a loop in if": "{% if false %}{% for i in [] %}{{ 1|nope }}{% endfor %}{% endif %}x",
    "unknown filter in elif": "{% if true %}a{% elif 1|nope %}b{% endif %}",
    "unknown test in a macro": "{% macro m() %}{{ 1 is nope }}{% endmacro %}x",
    "raise": "{% if messages[0].role != 'system' %}{{ raise_exception('a system message is needed, not ' ~ messages[0].role) }}{% endif %}x",
    "alternate": "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.content }}{% endfor %}",
    "strftime default": "{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}{% endif %}{{ date_string }}",
    "tools": "{% if tools is not none %}T{% endif %}{% if tools %}U{% endif %}{% if documents is defined %}D{% endif %}{% if not tools is defined %}{% set tools = none %}{% endif %}{{ tools }}",
    "thinking": "{% for m in messages %}{% set content = m.content %}{% if m.role == 'assistant' and '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}{{ m.role }}: {{ content }};{% endfor %}",
    "last user": "{% set ns = namespace(found=-1) %}{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{% if ns.found < 0 and m.role == 'user' %}{% set ns.found = index %}{% endif %}{% endfor %}{{ ns.found }}",
    "system first": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] | trim %}{% else %}{% set loop_messages = messages %}{% set system = '' %}{% endif %}[{{ system }}]{% for m in loop_messages %}{{ m.role | upper }}={{ m.content | trim }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "content parts": "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% elif m.content is iterable %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endif %}{% endfor %}",
    "json": "{% for m in messages %}{{ m | tojson }}\n{{ m.content | tojson }}\n{% endfor %}",
    "block": "{% block a %}x{% endblock %}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "extends": "{% extends 'x' %}",
    "autoescape": "{% autoescape true %}{{ '<' }}{% endautoescape %}",
    "set block with a name unknown": "{% set a | replace('x', y) %}x{% endset %}{{ a }}",
    "unicode name": "{% set größe = 1 %}{{ größe }}",
    "keyword twice": "{{ dict(a=1, a=2) }}",
    "positional after keyword": "{{ dict(a=1, 2) }}",
    "one generator twice": "{% set g = [1, 2]|map('string') %}{{ g|list }}{{ g|list }}",
    "undefined in a loop": "{% for i in [1] %}{{ nothing }}{{ nothing is defined }}{% endfor %}",
    "space control of loops": "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- 'U:' + m.content }}\n    {%- else %}\n        {{- m.role + ':' + m.content }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- 'A:' }}\n{%- endif %}\n",
    "tabs": "\t{% if true %}\n\tx\n\t\t{% endif %}\n",
    "no-break space": "\xa0{% if true %}x{% endif %}\u2003{%- if true %} y{% endif %}",
    "joiner": "{% set j = joiner(', ') %}{% for m in messages %}{{ j() }}{{ m.role }}{% endfor %}",
    "cycler": "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "filters on output of macros": "{% macro m(x) %}{{ x }}{% endmacro %}{{ (m('a') ~ m('b')) | upper }}{{ m(m('c')) }}",
    "deep": "{% if true %}" * 15 + "x" + "{% endif %}" * 15,
    "string with lines": "{{ 'a\nb\\nc' }}",
    "sort messages": "{% for m in messages | sort(attribute='role') %}{{ m.role }} {% endfor %}",
    "group messages": "{% for role, list in messages | groupby('role') %}{{ role }}{{ list | length }} {% endfor %}{% for g in messages | groupby('role') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}",
}


def templates():
    for expression in EXPRESSIONS:
        expression = expression.replace("\x00", "\n") if expression.startswith("'\\\x00") else expression
        yield expression, "{{ " + expression + " }}", ["question" if "messages" not in expression else "system"]
    for name, template in TEMPLATES.items():
        yield name, template, ["question", "system", "answered", "thought"] if "messages" in template else ["question"]


def rendered(tokenizer, template, chat, add):
    try:
        text = tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False, add_generation_prompt=add)
        return {"text": "(another each time)" if " at 0x" in text or "lipsum" in template else text}
    except Exception as error:
        return {"error": type(error).__name__}


core = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
with tempfile.TemporaryDirectory() as folder:
    PreTrainedTokenizerFast(tokenizer_object=core, **TOKENS, extra_special_tokens=NAMED).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
files = [pathlib.Path(file) for file in sys.argv[2:]]
given = [(file.name, file.read_text(), list(CHATS)) for file in files] or templates()
cases = []
for name, template, chats in given:
    for chat in chats:
        cases.append({"name": name, "template": template, "chat": chat, **rendered(tokenizer, template, CHATS[chat], chat != "answered")})
versions = {"transformers": transformers.__version__, "jinja2": jinja2.__version__, "python": platform.python_version()}
fixture = {"versions": versions, "texts": tokenizer.special_tokens_map, "chats": CHATS, "cases": cases}
pathlib.Path(sys.argv[1]).write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(f"{len(cases)} renderings, {sum('error' in case for case in cases)} of which raise")
