"""Chat templates rendered by apply_chat_template: every part of the language that templates use, each in a small template of its own, and the
templates that TRL ships. Each is rendered for some conversations, as a prompt and with an answer."""

import functools
import importlib.util
import pathlib

from shared import transformers, write_json

TURNS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def turn(role, content):
    return {"role": role, "content": content}


ANSWER = "It is  4.\n"
CONVERSATIONS = {
    "question": [turn("user", "What is 2 + 2?")],
    "system": [turn("system", "Be brief."), turn("user", " Hello,\n\n  \"world\" & <b>it's</b> {{ x }} ")],
    "turns": [turn("user", "Zwei\tÄpfel? 東京 🗼"), turn("assistant", "ja</think>\n\nnein "), turn("user", "\n")],
}

# What stands before the turns. -----------------------------------------------------------------------------------------------------

LISTS = "{% set l = [3, 1, 2] %}{% set w = ['b', 'A', 'c', 'a'] %}{% set d = {'b': 1, 'a': [1, none], 'c d': true} %}"
PARTS = {
    # printing
    "print": "{{ true }} {{ false }} {{ none }} {{ True }} {{ None }} {{ 1 }} {{ -1 }} {{ 1.0 }} {{ 1.5e3 }} {{ 1e20 }} {{ 0.1 + 0.2 }}",
    "print a list": "{{ [1, 'a', \"it's\", none, true, 1.0] }} {{ [] }} {{ [[1], ('a',)] }}",
    "print an object": "{{ {'a': 1, 'b': {'c': none}} }} {{ {} }} {{ {1: 'x', 'y': [true]} }}",
    "print a tuple": "{{ (1, 2) }} {{ ('a',) }} {{ () }}",
    "print texts with escapes": "{{ ['a\\nb', 'tab\\t', 'back\\\\slash', 'é', '\"', \"'\"] }}",
    "print undefined": "[{{ nothing }}] {{ nothing is defined }}",
    "print add_generation_prompt": "{{ add_generation_prompt }}",
    "print tools": "{{ tools }} {{ tools is none }} {{ tools is defined }}",
    "print documents": "{{ documents }} {{ documents is none }} {{ documents is defined }}",
    "print messages": "{{ messages }}",
    "print a message": "{{ messages[0] }} {{ messages[-1]['role'] }} {{ messages | length }}",
    "print a range": "{{ range(3) }} {{ range(3) | list }} {{ range(5, 0, -2) | list }}",
    "print large numbers": "{{ 12345678901234567890 }} {{ 2 ** 70 }} {{ 10 / 4 }} {{ 4 / 2 }} {{ 1e-7 }} {{ 123456789.123 }}",
    # operators
    "arithmetic": "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 2 ** -1 }} {{ 7 * -1 }} {{ +3 }}",
    "arithmetic of fractions": "{{ 7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 1.0 * 3 }} {{ 3 - 0.5 }} {{ 2 * 0.5 }}",
    "texts times": "{{ '-' * 5 }} {{ 3 * 'ab' }} {{ '-' * 0 }} {{ '-' * -1 }}",
    "lists plus and times": "{{ [1] + [2] }} {{ [0] * 3 }} {{ (1,) + (2,) }}",
    "tilde": "{{ 1 ~ 'a' ~ none ~ true ~ [1] ~ 1.0 }}",
    "text plus text": "{{ 'a' + 'b' + \"c\" }}",
    "comparison": "{{ 1 < 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1] == [1] }} {{ none == false }} {{ 1 != 2 }} {{ 1 < 2 < 3 }} {{ true == 1 }}",
    "in": "{{ 'a' in 'abc' }} {{ 1 in [1, 2] }} {{ 'a' in {'a': 1} }} {{ 'x' not in 'abc' }} {{ not 1 in [2] }} {{ '' in 'a' }}",
    "logic": "{{ 1 and 'a' }} {{ 0 or 'b' }} {{ not '' }} {{ not none }} {{ [] or {} or 'c' }} {{ 1 and 0 or 5 }} {{ not (1 and 0) }}",
    "truth": "{{ 'y' if '0' else 'n' }}{{ 'y' if 0.0 else 'n' }}{{ 'y' if [] else 'n' }}{{ 'y' if {} else 'n' }}{{ 'y' if ' ' else 'n' }}{{ 'y' if nothing else 'n' }}",
    "if without else": "[{{ 'a' if false }}] [{{ 'a' if true }}]",
    "if in if": "{{ 'a' if false else 'b' if true else 'c' }}",
    "precedence": "{{ 1 + 2 * 3 ~ 'x' }} {{ not 1 == 2 }} {{ -2 ** 2 }} {{ (2 + 3) | string }} {{ 1 ~ 2 + 3 }}",
    "slices": "{{ 'abcdef'[1:3] }} {{ 'abcdef'[::-1] }} {{ [1,2,3,4][-2:] }} {{ [1,2,3][:1] }} {{ 'abc'[-1] }} {{ [1,2,3,4][::2] }} {{ 'abc'[5:] }}",
    "negative index": "{{ [1,2,3][-1] }} {{ messages[-1].role }}",
    "index that is not there": "[{{ [1][5] }}] [{{ {'a': 1}['b'] }}] [{{ {'a': 1}.b }}]",
    "attribute of undefined": "{{ nothing.more }}",
    "dot and bracket": "{{ {'a': {'b': 1}}.a.b }} {{ {'a': {'b': 1}}['a']['b'] }} {{ {'items': 1}['items'] }}",
    "escapes in texts": "{{ 'a\\nb' }}{{ 'it\\'s' }}{{ \"\\\"q\\\"\" }}{{ '\\\\n' }}{{ '\\t|' }}{{ '\\u00e9' }}{{ '\\x41' }}",
    "texts side by side": "{{ 'a' 'b' }}",
    # statements
    "set": "{% set a = 1 %}{% set b = a + 1 %}{{ a }}{{ b }}",
    "set two": "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "set a block": "{% set a %} x {{ 1 + 1 }} y{% endset %}[{{ a }}]",
    "set a block with a filter": "{% set a | upper %}abc{% endset %}{{ a }}",
    "set within for": "{% set a = 1 %}{% for i in [1,2] %}{% set a = i %}{{ a }}{% endfor %}{{ a }}",
    "set within if": "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "namespace": "{% set n = namespace(a=1, b='x') %}{% for i in [1,2] %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}{{ n.b }}",
    "namespace of an object": "{% set n = namespace({'a': 1}) %}{% set n.c = 3 %}{{ n.a }}{{ n.c }}",
    "namespace holds a list": "{% set n = namespace(l=[]) %}{% for m in messages %}{% set n.l = n.l + [m.role] %}{% endfor %}{{ n.l }}",
    "if elif else": "{% for i in [1,2,3] %}{% if i == 1 %}a{% elif i == 2 %}b{% else %}c{% endif %}{% endfor %}",
    "for with else": "{% for i in [] %}x{% else %}none{% endfor %}{% for i in [1] %}x{% else %}none{% endfor %}",
    "for with if": "{% for i in [1,2,3,4] if i % 2 == 0 %}{{ i }}{{ loop.index }}{{ loop.length }}{% endfor %}",
    "loop": "{% for i in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }},{% endfor %}",
    "loop neighbours": "{% for i in [1,2,3] %}[{{ loop.previtem }}{{ i }}{{ loop.nextitem }}]{% endfor %}",
    "loop.previtem is defined": "{% for i in [1,2] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "loop.cycle": "{% for i in [1,2,3] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "loop.changed": "{% for i in [1,1,2] %}{{ loop.changed(i) }}{% endfor %}",
    "loop.depth": "{% for i in [1] %}{% for j in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}",
    "break and continue": "{% for i in [1,2,3,4] %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "for over an object": "{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}",
    "for over pairs": "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "for over a text": "{% for c in 'aé🗼' %}[{{ c }}]{% endfor %}",
    "for, recursive": "{% for i in [[1, [2]], [3, []]] recursive %}{{ i[0] }}{% if i[1] %}({{ loop([[i[1][0], []]]) }}){% endif %}{% endfor %}",
    "for in for": "{% for i in [1,2] %}{% for j in [1,2] %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}",
    "macro": "{% macro f(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}",
    "macro with fewer arguments": "{% macro f(a, b) %}[{{ a }}{{ b }}{{ b is defined }}]{% endmacro %}{{ f(1) }}",
    "macro in a macro": "{% macro g(x) %}<{{ x }}>{% endmacro %}{% macro f(x) %}{{ g(x) ~ g(x) }}{% endmacro %}{{ f('a') }}",
    "macro that calls itself": "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "macro sees outer names": "{% set a = 1 %}{% macro f() %}{{ a }}{% endmacro %}{{ f() }}",
    "macro's varargs": "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, c=3) }}",
    "call": "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}",
    "call with arguments": "{% macro f() %}<{{ caller(1) }}>{% endmacro %}{% call(x) f() %}in{{ x }}{% endcall %}",
    "filter block": "{% filter upper %}abc {{ 'd' }}{% endfilter %}",
    "raw": "{% raw %}{{ not rendered }} {% if %}{% endraw %}",
    "comment": "a{# a comment {{ x }} #}b{#- trimmed -#} c",
    "with": "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}[{{ a }}]",
    "do": "{% set l = [1] %}{% do l.append(2) %}{{ l }}",
    "block": "{% block a %}x{% endblock %}",
    "generation": "{% generation %}in{% endgeneration %}",
    "raise_exception": "{% if messages | length > 2 %}{{ raise_exception('too many') }}{% endif %}",
    "autoescape is off": "{{ '<b>&\"' }}",
    # white space
    "trim blocks": "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "lstrip blocks": "a\n    {% if true %}\n  b\n    {% endif %}\n  c",
    "minus signs": "a  \n {%- if true -%}  \n b \n {%- endif -%} \n c {{- 1 -}} d",
    "plus signs": "a\n  {%+ if true %}b{% endif +%}\nc",
    "minus in comments": "a \n{#- x -#}\n b",
    "carriage returns": "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\rd",
    "line breaks within expressions": "{{ [1,\n 2] |\n join('-') }}{% set a =\n 1 %}{{\n a\n}}",
    "end of file": "x\n",
    "tabs and other spaces": "a\t{% if true %}\u00a0b{% endif %}\u2003c",
    "percent and braces": "100% { } {x} }} %}",
    # filters
    "upper lower title capitalize": "{{ 'ab cD' | upper }} {{ 'ab cD' | lower }} {{ 'ab cD-ef' | title }} {{ 'ab cD' | capitalize }}",
    "title of odd words": "{{ \"they're o'neil's x1y\" | title }} {{ 'ß ﬁ' | title }} {{ 'ÉCOLE' | capitalize }}",
    "trim": "[{{ '  a b \n' | trim }}] [{{ 'xxaxx' | trim('x') }}]",
    "length and count": "{{ 'aé🗼' | length }} {{ [1, 2] | count }} {{ {'a': 1} | length }}",
    "first last": "{{ [1,2] | first }} {{ [1,2] | last }} {{ 'abc' | first }} [{{ [] | first }}]",
    "join": "{{ [1, 'a', none] | join(', ') }} {{ ['a', 'b'] | join }} {{ messages | join(';', attribute='role') }}",
    "default": "{{ nothing | default('x') }} {{ '' | default('x') }} {{ '' | default('x', true) }} {{ none | default('x') }} {{ nothing | d }}",
    "replace": "{{ 'aXbXc' | replace('X', '-') }} {{ 'aXbXc' | replace('X', '-', 1) }}",
    "int and float": "{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ '1.5' | float }} {{ 3.9 | int }} {{ '0x1f' | int(base=16) }} {{ 3 | float }}",
    "string": "{{ 1 | string + 'a' }} {{ none | string }} {{ [1] | string }} {{ true | string }}",
    "list": "{{ 'abc' | list }} {{ {'a': 1} | list }} {{ (1, 2) | list }}",
    "abs round": "{{ -3 | abs }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }}",
    "sum min max": LISTS + "{{ l | sum }} {{ l | min }} {{ l | max }} {{ [] | sum }} {{ [{'a': 1}, {'a': 2}] | sum(attribute='a') }} {{ w | max }}",
    "sort": LISTS + "{{ l | sort }} {{ l | sort(reverse=true) }} {{ w | sort }} {{ w | sort(case_sensitive=true) }}",
    "sort by attribute": "{{ [{'a': 2, 'b': 'x'}, {'a': 1, 'b': 'y'}] | sort(attribute='a') | map(attribute='b') | list }}",
    "reverse": "{{ [1,2,3] | reverse | list }} {{ 'abc' | reverse }}",
    "unique": LISTS + "{{ [1, 1, 2] | unique | list }} {{ w | unique | list }}",
    "map": "{{ messages | map(attribute='role') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ [{'x': 1}, {}] | map(attribute='x', default=0) | list }}",
    "select and reject": "{{ [1,2,3,4] | select('even') | list }} {{ [1,2,3] | reject('odd') | list }} {{ [0, 1, ''] | select | list }} {{ [1,5] | select('gt', 3) | list }}",
    "selectattr and rejectattr": "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | length }} {{ messages | rejectattr('role', 'eq', 'user') | list | length }} {{ messages | selectattr('tool_calls', 'defined') | list }} {{ messages | selectattr('role', 'in', ['system']) | list | length }}",
    "batch and slice": "{{ [1,2,3,4,5] | batch(2) | list }} {{ [1,2,3,4,5] | slice(2) | list }} {{ [1,2,3] | batch(2, 0) | list }}",
    "groupby": "{% for k, g in [{'a': 1, 'b': 2}, {'a': 2, 'b': 3}, {'a': 1, 'b': 4}] | groupby('a') %}{{ k }}:{{ g | map(attribute='b') | list }};{% endfor %}",
    "items": "{% for k, v in {'b': 1, 'a': 2} | items %}{{ k }}{{ v }}{% endfor %}",
    "dictsort": LISTS + "{% for k, v in d | dictsort %}{{ k }};{% endfor %}{{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'a': 1, 'B': 2} | dictsort(true) }}",
    "tojson": LISTS + "{{ d | tojson }} {{ 'é<&>\\'\"\\n🗼' | tojson }} {{ none | tojson }} {{ 1.0 | tojson }} {{ [] | tojson }} {{ [1, [2]] | tojson }}",
    "tojson with indent": LISTS + "{{ d | tojson(indent=2) }} {{ [] | tojson(indent=4) }} {{ {} | tojson(indent=2) }}",
    "tojson with options": LISTS + "{{ d | tojson(sort_keys=true) }} {{ 'é' | tojson(ensure_ascii=true) }} {{ d | tojson(separators=(',', ':')) }}",
    "tojson of messages": "{{ messages | tojson }} {{ messages[0] | tojson(indent=1) }}",
    "indent": "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(width=2, blank=true) }}|{{ 'a\\nb' | indent('> ') }}",
    "wordcount wordwrap truncate": "{{ 'a b c' | wordcount }} {{ 'aaa bbb ccc' | wordwrap(5) }} {{ 'a long text that goes on' | truncate(12) }} {{ 'abc def' | truncate(5, true, '..', 0) }}",
    "center": "[{{ 'a' | center(5) }}]",
    "format": "{{ '%s is %d and %.2f' | format('a', 3, 1.5) }} {{ '%05d|%-5s|%x' | format(42, 'a', 255) }}",
    "escape": "{{ '<a & \"b\\'>' | escape }} {{ '<' | e }} {{ '<' | safe }} {{ '<' | forceescape }}",
    "striptags urlencode": "{{ '<b>a</b>  c' | striptags }} {{ 'a b/ü&' | urlencode }} {{ {'a': 'b c'} | urlencode }}",
    "attr": "{{ messages[0] | attr('role') }} [{{ 'a' | attr('nothing') }}]",
    "filesizeformat pprint xmlattr": "{{ 1500 | filesizeformat }} {{ [1, 'a'] | pprint }} {{ {'a': 1} | xmlattr }}",
    "random": "{{ [1] | random }}",
    "an unknown filter": "{{ 'a' | ours }}",
    "an unknown filter that is not reached": "{% if false %}{{ 'a' | ours }}{% endif %}",
    "filters in a row": "{{ ' A b ' | trim | lower | replace(' ', '_') | length }}",
    # tests
    "tests of types": "{{ 'a' is string }} {{ 1 is number }} {{ 1.0 is number }} {{ true is number }} {{ [] is iterable }} {{ {} is mapping }} {{ [] is sequence }} {{ 'a' is sequence }} {{ none is none }} {{ true is boolean }} {{ 1 is integer }} {{ 1.0 is float }} {{ {} is iterable }} {{ 'a' is iterable }} {{ {} is sequence }}",
    "tests of numbers": "{{ 2 is even }} {{ 3 is odd }} {{ 6 is divisibleby 3 }} {{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 2 is greaterthan(1) }}",
    "tests of texts": "{{ 'a' is lower }} {{ 'A' is upper }} {{ 'a' is in 'abc' }} {{ 1 is in [1] }} {{ 'a' is not in ['b'] }}",
    "other tests": "{{ 1 is sameas 1 }} {{ true is true }} {{ 0 is false }} {{ 1 is true }} {{ raise_exception is callable }} {{ nothing is undefined }} {{ 'upper' is filter }} {{ 'odd' is test }}",
    "is not": "{{ nothing is not defined }} {{ 1 is not none }} {{ not nothing is defined }}",
    "defined in parts": "{{ messages[0].tool_calls is defined }} {{ messages[0]['nothing'] is defined }} {{ messages[0].get('nothing') is none }}",
    # methods
    "strip": "[{{ ' a '.strip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ '\\n a'.lstrip('\\n') }}] [{{ 'a!?'.rstrip('?!') }}] [{{ '\\u3000a\\x1f'.strip() }}]",
    "split": "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.split(none, 1) }} {{ 'a</think>b</think>c'.split('</think>')[-1] }}",
    "splitlines partition": "{{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }}",
    "startswith endswith": "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('c') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('') }}",
    "upper lower title capitalize, methods": "{{ 'ab cD'.upper() }} {{ 'AB'.lower() }} {{ 'ab cD'.title() }} {{ 'ab cD'.capitalize() }} {{ 'aB'.swapcase() }} {{ 'ẞ'.casefold() }}",
    "replace and count, methods": "{{ 'aXbX'.replace('X', '') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'banana'.count('an') }} {{ 'banana'.find('n') }} {{ 'banana'.rfind('n') }} {{ 'a'.find('z') }} {{ 'banana'.index('n') }}",
    "join, method": "{{ ', '.join(['a', 'b']) }} {{ ''.join(messages | map(attribute='role')) }}",
    "tests of texts, methods": "{{ 'a1'.isalnum() }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'A'.isupper() }} {{ 'a'.islower() }} {{ 'Ab Cd'.istitle() }} {{ ''.isalpha() }}",
    "zfill center ljust, methods": "{{ '7'.zfill(3) }} [{{ 'a'.center(4) }}] [{{ 'a'.ljust(3, '.') }}] [{{ 'a'.rjust(3) }}] {{ 'a\\tb'.expandtabs(4) }}",
    "removeprefix removesuffix": "{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removeprefix('x') }}",
    "format, method": "{{ '{} and {}'.format(1, 'a') }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x:>4}|{y:.2f}'.format(x=1, y=2.5) }}",
    "encode": "{{ 'é'.encode('utf-8') | length }}",
    "objects, methods": "{% set d = {'a': 1, 'b': none} %}{{ d.get('a') }} {{ d.get('x') }} {{ d.get('x', 'y') }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.items() | list }} {{ d.get('b', 'z') }}",
    "objects, views printed": "{% set d = {'a': 1} %}{{ d.keys() }} {{ d.values() }} {{ d.items() }}",
    "objects that are changed": "{% set d = {'a': 1} %}{{ d.update({'b': 2}) }}{{ d }}",
    "lists that are changed": "{% set l = [1] %}{{ l.append(2) }}{{ l }}",
    "lists, methods": "{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }}",
    "lists, pop": "{% set l = [1, 2] %}{{ l.pop() }}{{ l }}",
    # functions
    "dict": "{{ dict(a=1, b='x') }} {{ dict({'a': 1}, b=2) }} {{ dict([['a', 1]]) }}",
    "cycler and joiner": "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner(', ') %}{% for i in [1,2,3] %}{{ j() }}{{ i }}{% endfor %}",
    "lipsum": "{{ lipsum(n=0) }}",
    "range in for": "{% for i in range(2) %}{{ i }}{% endfor %}{% for i in range(1, messages | length + 1) %}{{ i }}{% endfor %}",
    "strftime_now": "{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d') }}",
    "strftime_now, more codes": "{{ strftime_now('%a %-d %y %j %H:%M:%S %p %I %U %w %% %e %F') }}",
    "strftime_now is defined": "{% if strftime_now is defined %}{{ strftime_now('%d %B %Y') }}{% else %}no{% endif %}",
    "date_string": "{% if not date_string is defined %}{% set date_string = '1 Jan 2020' %}{% endif %}{{ date_string }}",
    # named tokens
    "bos and eos": "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}",
    "tokens that are not there": "[{{ sep_token }}][{{ mask_token }}] {{ cls_token is defined }}",
    "bos plus text": "{{ bos_token + 'x' }}",
    # as templates are written
    "system first": "{% if messages[0].role == 'system' %}{% set s = messages[0].content | trim + '\\n' %}{% set messages = messages[1:] %}{% else %}{% set s = '' %}{% endif %}[{{ s }}]",
    "a list of parts": "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}",
    "turn about": "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}",
    "thinking": "{% set n = namespace(last=messages | length - 1, more=true) %}{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{% if n.more and m.role == 'user' and m.content is string and not (m.content.startswith('<r>') and m.content.endswith('</r>')) %}{% set n.more = false %}{% set n.last = i %}{% endif %}{% endfor %}{{ n.last }}",
    "enable_thinking": "{% if enable_thinking is defined and enable_thinking is false %}off{% else %}on{% endif %}",
    "split at the thought": "{% for m in messages %}{% if '</think>' in m.content %}{{ m.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}|{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% endif %}{% endfor %}",
    "tools in a list": "{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}{% elif tools is not none %}empty{% endif %}",
    "a message's other keys": "{% for m in messages %}{{ m.name }}{{ m.get('tool_calls', []) }}{{ 'name' in m }}{{ m.items() | list | length }}{{ m.keys() | list }}{% endfor %}",
    # what cannot be rendered
    "a type that does not fit": "{{ 'a' + 1 }}",
    "a division by zero": "{{ 1 / 0 }}",
    "an index of none": "{{ none['a'] }}",
    "a call of none": "{{ none() }}",
    "an attribute with underscores": "{{ messages.__class__ }}",
    "a statement that is not closed": "{% if true %}",
    "an unknown statement": "{% ours %}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "extends": "{% extends 'x' %}",
    "iterate a number": "{% for i in 3 %}{% endfor %}",
    "a text compared with a number": "{{ 'a' < 1 }}",
    "too many names": "{% set a, b = [1] %}",
}
AFTER = {
    "trailing line break": "\n",
    "two trailing line breaks": "\n\n",
    "trailing text": " end",
}
CONTROL = {
    "no generation prompt": "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}",
    "trimmed content": "{% for m in messages %}<{{ m.role }}>\n{{ m.content | trim }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>\n{% endif %}",
    "content first": "{% for message in messages %}{{ message['content'] + eos_token if message['role'] != 'assistant' else '\\n' + message['content'] + '</s>' }}{% endfor %}",
}


@functools.cache
def trl_folder():
    spec = importlib.util.find_spec("trl")
    return pathlib.Path(spec.submodule_search_locations[0]) / "chat_templates" if spec else None


def trl_names():
    folder = trl_folder()
    return sorted(path.stem for path in folder.glob("*.jinja")) if folder else []


NAMES = [*PARTS, *AFTER, *CONTROL, *(f"trl: {name}" for name in trl_names())]
QUICK = {name for i, name in enumerate(NAMES) if i % 3 == 0 or name.startswith(("print", "trl: qwen3", "trl: llama", "trl: gemma"))}


def template(name):
    if name in PARTS:
        return PARTS[name] + TURNS
    if name in AFTER:
        return TURNS + AFTER[name]
    if name in CONTROL:
        return CONTROL[name]
    return (trl_folder() / f"{name.removeprefix('trl: ')}.jinja").read_text()


def source_of(name):
    return template(name)


@functools.cache
def fixed_date():
    """The product's clock for templates stands still, so that equal inputs give equal prompts on any day."""
    import datetime
    from importlib import import_module

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2024, 7, 26)

    import_module("transformers.utils.chat_template_utils").datetime = Clock


def bytes_tokenizer(folder):
    """Every byte a token: what is decoded is what was rendered."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    names = ["<unk>", "<s>", "</s>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(names[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **tokens})
    write_json(folder / "config.json", {"model_type": "llama"})


def render(tokenizer, messages, add):
    try:
        return {"text": tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add)}
    except Exception as error:  # What a template may raise is anything: it is the right outcome.
        return {"raised": f"{type(error).__name__}: {error}"[:300]}


def make(name, folder):
    bytes_tokenizer(folder)
    (folder / "chat_template.jinja").write_bytes(template(name).encode())
    fixed_date()
    tokenizer = transformers().AutoTokenizer.from_pretrained(folder)
    return {
        "answer": ANSWER,
        "conversations": [
            {
                "name": label,
                "messages": messages,
                "prompt": render(tokenizer, messages, True),
                "whole": render(tokenizer, [*messages, turn("assistant", ANSWER)], False),
            }
            for label, messages in CONVERSATIONS.items()
        ],
    }
