#!/bin/sh
# Jinja2 3.1.6, as chat templates are rendered with it (transformers: trim_blocks, lstrip_blocks, loop controls):
#
# 1. A loop's `else` runs though the loop had items, where none of its rounds came to its end: each was left by `continue`, or the
#    first by `break`. Python's own `else` runs after `continue`, and never after `break`.
# 2. The same expression gives different results for a constant and for a variable with its value: `1.5[::2]` is undefined and
#    prints as nothing, since errors on the way are caught where constants are worked out at compile time; `x[::2]` with x = 1.5
#    raises TypeError.
# 3. Whether a macro finds a variable of the context depends on what stands behind it in the source: with a `set` of the same name
#    further down, at which nothing has arrived yet, the macro finds it undefined.
#
# Seen: 1. 'else' 'else' ''; 2. '' TypeError; 3. '2' '0'.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jinja2==3.1.6
"$folder/venv/bin/python" - <<'PYTHON'
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

def render(template, **variables):
    try:
        return environment.from_string(template).render(**variables)
    except TypeError:
        return TypeError

continued = render("{% for i in [1, 2] %}{% continue %}{% else %}else{% endfor %}")
broken = render("{% for i in [1, 2] %}{% break %}{% else %}else{% endfor %}")
later = render("{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}else{% endfor %}")
print("1.", repr(continued), repr(broken), repr(later))
assert (continued, broken, later) == ("else", "else", ""), "changed"

constant, variable = render("{{ 1.5[::2] }}"), render("{{ x[::2] }}", x=1.5)
print("2.", repr(constant), variable)
assert (constant, variable) == ("", TypeError), "changed"

macro = "{% macro count() %}{{ messages|length }}{% endmacro %}{{ count() }}"
alone, before = render(macro, messages=[1, 2]), render(macro + "{% set messages = [] %}", messages=[1, 2])
print("3.", repr(alone), repr(before))
assert (alone, before) == ("2", "0"), "changed"
PYTHON
