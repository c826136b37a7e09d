"""What transformers renders of random templates, for tools/parity/templates.mjs to compare with this project:

    python tools/parity/random_templates.py SEED COUNT rendered.json
    node tools/parity/templates.mjs rendered.json

A third each are expressions, blocks with white space around them, and formats of numbers and of letters that are rarely seen."""

import json
import pathlib
import random
import signal
import sys
import warnings

import jinja2
import transformers
from transformers.utils import chat_template_utils

warnings.simplefilter("ignore")
seed, count, out = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
rng = random.Random(seed)
pick = rng.choice
TEXTS = {"bos_token": "<s>", "eos_token": "</s>"}
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Two?\n"}, {"role": "assistant", "content": "a b"}]

ATOMS = r"""0 1 -1 2 7 -3 10 255 1.5 -2.5 0.5 2.0 1e3 1e-5 123456.789 0.1 1e20 true false none "" "a" "abc" "ABC" "a,b,,c" "1" "12" "3.7"
"é東🗼" "%s" "%d-%s" "it's" 'say"hi"' "ab-cd" "ΑΣß" "0x1f" "inf" "tEsT" [] [1] [1,2,3] [3,1,2] ["b","A","c"] [[1,2],[3]] [("a",1),("b",2)] ()
(1,) (1,2) ("x","y") {} {"a":1} {"b":2,"a":1} {1:"x",2:"y"} {"k":[1,{"z":none}]} messages messages[0] messages[-1].content nothing range(4)
range(1,6,2) namespace(a=1) bos_token tools [1.5,2] [none,1,"a"] [true,1,1.0]""".split() + ['" x y "', '"Hello World"', '" 42 "', '"x\\ny\\n"', '"{} {}"']
FILTERS = """abs batch(2)|list batch(2,0)|list capitalize center(9) count d("z") default("z",true) dictsort dictsort(by="value") e filesizeformat
first float float(9.5) forceescape format(1) format("a","b") groupby(0) indent indent(2,true) indent("-",false,true) int int(5) int(base=16)
items|list join join("-",attribute="role") last length list lower map("upper")|list map("int")|list map(attribute="role")|list
map(attribute=0)|list max min max(attribute="role") reject("none")|list rejectattr("role","eq","user")|list replace("a","b") replace("","-")
reverse reverse|list round round(1) round(2,"floor") round(1,"ceil") round(-1) safe select|list select("string")|list select("gt",1)|list
selectattr("a","defined")|list slice(2)|list slice(2,0)|list sort sort(true) sort(case_sensitive=true) sort(attribute="role") string sum
sum(start=1) title tojson tojson(indent=2) tojson(ensure_ascii=true) trim trim("a") truncate(5) truncate(5,true,"..",0) unique|list upper
urlencode wordcount attr("a")""".split()
METHODS = """upper() lower() title() capitalize() strip() strip("a") lstrip() rstrip("c") split() split(",") rsplit(none,1) splitlines()
splitlines(true) replace("a","x") startswith("a") endswith("c") startswith(("a","H")) find("b") rfind("b") count("a") count("") index("a")
join(["x","y"]) join("ab") partition("b") rpartition(",") zfill(5) center(8,"*") ljust(6) rjust(6,".") swapcase() isalpha() isdigit()
isalnum() isspace() isupper() islower() istitle() isidentifier() isprintable() expandtabs(3) removeprefix("a") removesuffix("c") format(1,2)
get("a") get("zz",5) keys() values() items() keys()|list copy() count(1) a role content 0 nope real append(1)""".split()
TESTS = """defined,undefined,none,string,number,integer,float,boolean,true,false,mapping,sequence,iterable,callable,odd,even,divisibleby 2,
lower,upper,eq 1,ne "a",gt 1,lt 2,ge 1,le 1,in [1;"a"],in "abc",sameas none,escaped,not none,not string""".replace("\n", "").split(",")
OPERATORS = "+ - * / // % ** ~ == != < <= > >= in and or".split() + ["not in"]


def expression(depth):
    if depth <= 0 or rng.random() < 0.15:
        return pick(ATOMS)
    left = part(depth - 1)
    kind = rng.random()
    if kind < 0.32:
        return f"{left}|{pick(FILTERS)}"
    if kind < 0.52:
        return f"{left}.{pick(METHODS)}"
    if kind < 0.62:
        return f"{left} is {pick(TESTS).replace(';', ',')}"
    if kind < 0.82:
        operator = pick(OPERATORS)
        return f"{left} {operator} {part(0 if operator == '**' else depth - 1)}"
    if kind < 0.88:
        return f"{left}[{pick(['0', '-1', '1', '1:', '::-1', ':2', '-2:', '5', repr('a'), '1:2', '3:0:-1'])}]"
    if kind < 0.92:
        return f"not {left}"
    if kind < 0.96:
        return f"{left} if {part(depth - 1)} else {part(depth - 1)}"
    return f"[{left}, {expression(depth - 1)}]"


def part(depth):
    text = expression(depth)
    return text if rng.random() < 0.5 or depth <= 0 else f"({text})"


NAMES = "a b x m loop ns f tools bos_token messages caller i".split()
SPACES = ["", "", "", " ", "\n", "\n  ", "  \n", "\t", "\r\n", "\n\n", "\xa0"]
VALUES = """loop.index loop.first loop.last loop.length loop.previtem loop.nextitem loop.changed(1) loop.cycle(1,2) loop.depth ns.v m.role
varargs kwargs caller() f() f(1) f(1,b=2) g(a) m.content 1 "s" [1,2] true none range(3) 0 []""".split()
ITEMS = """[1,2,3] messages range(2) [] "ab" x a [[1,2],[3,4]] messages[1:] [1,2]|select("odd") ns""".split()


def tag(text):
    signs = ["", "", "", "-", "+"]
    return f"{pick(SPACES)}{{%{pick(signs)} {text} {pick(signs)}%}}{pick(SPACES)}"


def value():
    kind = rng.random()
    if kind < 0.4:
        return pick(NAMES)
    if kind < 0.7:
        return pick(VALUES)
    if kind < 0.85:
        return f"{pick(NAMES)} is defined"
    return f"{pick(NAMES)}|default('d')" if kind < 0.93 else f"({value()} ~ {value()})"


def body(depth):
    return "".join(statement(depth) for _ in range(rng.randint(0, 3)))


def statement(depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.15:
        return pick(["text", "y\n", "  ", "\n", "{# c #}", "\n {#- c -#} ", "{", "}", "%", "{# c\n #}\n"])
    inner = body(depth - 1)
    if kind < 0.4:
        return f"{pick(SPACES)}{{{{{pick(['', '', '-'])} {value()} {pick(['', '', '-'])}}}}}{pick(SPACES)}"
    if kind < 0.55:
        return tag(f"set {pick(['a', 'b', 'x', 'm', 'ns.v', 'a, b', 'tools', 'bos_token', 'i'])} = {pick([value(), 'namespace(v=1)', '1, 2'])}")
    if kind < 0.7:
        test, mode = pick(["", "", "", f" if {value()}"]), pick(["", "", "", "", " recursive"])
        jump = tag(f"if {value()}") + tag(pick(["break", "continue"])) + tag("endif") if rng.random() < 0.2 else ""
        other = tag("else") + body(depth - 1) if rng.random() < 0.25 else ""
        return tag(f"for {pick(['x', 'i', 'm', 'a', 'x, y'])} in {pick(ITEMS)}{test}{mode}") + inner + jump + body(depth - 1) + other + tag("endfor")
    if kind < 0.82:
        other = tag(f"elif {value()}") + body(depth - 1) if rng.random() < 0.3 else ""
        return tag(f"if {value()}") + inner + other + pick(["", tag("else") + body(depth - 1)]) + tag("endif")
    opening, closing = pick(
        [
            (f"macro {pick('fg')}({pick(['', 'a', 'a, b=1', 'a=x, b=a'])})", "endmacro"),
            (f"call {pick(['', '(a) ', '(a, b=2) '])}{pick(['f()', 'f(1)', 'g(2)'])}", "endcall"),
            (f"with {pick(['', 'a = 1', 'a = x, b = a'])}", "endwith"),
            (f"filter {pick(['upper', 'trim', 'indent(1)'])}", "endfilter"),
            (f"set {pick('ax')}{pick(['', ' | upper', ' | trim | length'])}", "endset"),
            ("generation", "endgeneration"),
        ]
    )
    return tag(opening) + inner + tag(closing)


LETTERS = r"""a b A Z é ß ǆ 東 🗼 Σ ς . - _ 1 ٣ ² Ⅷ ½ \u0301 \u00a0 \u2003 \x1c \x85 \ufeff \' " \\ { } % < & ﬁ İ ı ŉ \u200b \u00ad ᾳ ა Ა \u1e9e \r \x0b
\u2028 \x00 \x7f \n \t""".split() + [" ", "  "]


def rare():
    text = "'" + "".join(pick(LETTERS) for _ in range(rng.randint(0, 7))) + "'"
    number = pick([str(rng.randint(-1000, 1000)), repr(round(rng.uniform(-1000, 1000), 3)), repr(rng.uniform(-1, 1) * 10 ** rng.randint(-20, 20)), "2.675", "0.125"])
    kind = rng.random()
    if kind < 0.2:
        spec = pick(["", "-", "+", " ", "0", "+0"]) + pick(["", "5", "12"]) + pick(["", ".0", ".2", ".5"]) + pick("dfegxosrXEGi")
        return f'"%{spec}" % ({number},)'
    if kind < 0.4:
        spec = pick(["", "<", ">", "^", "=", "*<", "0>"]) + pick(["", "+", " "]) + pick(["", "8", "15"]) + pick(["", ","]) + pick(["", ".1"]) + pick("dfeg%xs")
        return f'"{{:{spec}}}".format({number})'
    if kind < 0.5:
        return f"{number}|{pick(['round', 'round(2)', 'round(-1)', 'int', 'float', 'string', 'tojson', 'filesizeformat'])}"
    return f"[{text}, {text}{pick(['.' + method for method in METHODS if method.endswith('()')] + ['|' + name for name in FILTERS])}]"


class TooLong(Exception):
    pass


def stop(*_):
    raise TooLong


signal.signal(signal.SIGALRM, stop)
cases = []
for index in range(count):
    make = (lambda: f"{{{{ {expression(rng.randint(1, 3))} }}}}", lambda: body(rng.randint(1, 4)) + body(3), lambda: f"{{{{ {rare()} }}}}")[index % 3]
    template = make()
    case = {"name": template, "template": template, "chat": "answered"}
    signal.alarm(5)
    try:
        case["text"] = chat_template_utils.render_jinja_template([CHAT], chat_template=template, add_generation_prompt=False, **TEXTS)[0][0]
    except TooLong:
        continue
    except Exception as error:
        case["error"] = type(error).__name__
    finally:
        signal.alarm(0)
    if " at 0x" not in case.get("text", ""):
        cases.append(case)
versions = {"transformers": transformers.__version__, "jinja2": jinja2.__version__}
out.write_text(json.dumps({"versions": versions, "texts": TEXTS, "chats": {"answered": CHAT}, "cases": cases}, ensure_ascii=False), encoding="utf-8")
print(f"{len(cases)} renderings, {sum('error' in case for case in cases)} of which raise")
