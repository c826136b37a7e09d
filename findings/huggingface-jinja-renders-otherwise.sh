#!/bin/sh
# @huggingface/jinja 0.5.11, which renders chat templates in JavaScript, prints valid templates otherwise than Jinja2 3.1.6 does,
# without an error: the prompt differs, and so do the token ids.
#
# Otherwise: True, None and lists are printed as JavaScript or JSON has them ("true", nothing, double quotes); line ends "\r\n" stay, also
# behind a tag, where trim_blocks takes them off; `title` and `capitalize` keep upper case inside words. Refused: `"-" * 3`.
#
# Seen: "true  [\"a\", 1]" for "True None ['a', 1]"; "\r\na\r\n\r\nb" for "a\nb"; "Ab CD Ab cD" for "Ab Cd Ab cd".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null 2>&1
npm install --silent --ignore-scripts --no-audit --no-fund @huggingface/jinja@0.5.11
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6
cat > templates.json <<'JSON'
["{{ yes }} {{ empty }} {{ ['a', 1] }}", "{% if yes %}\r\na\r\n{% endif %}\r\nb", "{{ 'ab cD'|title }} {{ 'ab cD'|capitalize }}",
 "{{ '-' * 3 }}"]
JSON
cat > js.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
const render = (template) => {
  try {
    return new Template(template).render({ yes: true, empty: null });
  } catch {
    return null;
  }
};
console.log(JSON.stringify(JSON.parse(readFileSync('templates.json', 'utf8')).map(render)));
JS
node js.mjs > js.json
venv/bin/python - <<'PYTHON'
import json
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
right = [environment.from_string(t).render(yes=True, empty=None) for t in json.load(open("templates.json"))]
for ours, theirs in zip(right, json.load(open("js.json"))):
    print("Jinja2", repr(ours), "@huggingface/jinja", repr(theirs))
assert right == ["True None ['a', 1]", "a\nb", "Ab Cd Ab cd", "---"], "Jinja2 changed"
assert all(ours != theirs for ours, theirs in zip(right, json.load(open("js.json")))), "changed"
assert [t is None for t in json.load(open("js.json"))] == [False, False, False, True], "changed"
PYTHON
