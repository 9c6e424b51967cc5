#!/usr/bin/env python3
"""What Jinja2, in the environment of transformers, prints for expressions that chat templates use.

    make_expressions.py [--out DIR]

Writes expressions.json into DIR (default: beside this script): pairs of an expression and what
`{{ expression }}` prints, null where Jinja2 refuses it. Versions: see README.md.
"""
import argparse
import json
from pathlib import Path

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

EXPRESSIONS = r"""
none
true
false
1
1.0
2.5
1e20
-3
'text'
[1, 'a', none, true, 2.0, "it's", 'say "x"', "both ' and \""]
{'a': 1, 'b': [none, 'é\n\\']}
[]
{}
missing
missing is defined
none is none
'' ~ 1 ~ 'a'
1 + 2 * 3
7 // 2
-7 // 2
7 % 3
7 / 2
2 ** 3
'a' * 3
[1] + [2]
'ab' 'cd'
'a' in 'abc'
'x' not in ['x']
1 if true else 2
1 if false
not none
'' or 'x'
0 and 1
'abc'[1]
'abc'[-1]
'abc'[1:]
'abc'[::-1]
[1, 2, 3][1:]
[1, 2, 3][::-1]
[1, 2, 3][-2:]
{'a': 1}.a
{'a': 1}['a']
{'a': 1}.get('a')
{'a': 1}.get('b')
{'a': 1}.get('b', 'd')
{'a': 1}.b is defined
{'a': 1, 'b': 2}.items() | list | length
{'a': 1, 'b': 2}.keys() | list
{'a': 1, 'b': 2}.values() | list
{'a': 1}.copy()
'a' is string
1 is string
[] is iterable
'a' is iterable
{} is iterable
1 is iterable
none is iterable
missing is iterable
missing is sequence
range(2) is iterable
[] is sequence
'a' is sequence
{} is sequence
1 is sequence
none is sequence
{} is mapping
[] is mapping
'a' is mapping
1 is number
1.5 is number
'1' is number
true is boolean
1 is boolean
1 is integer
true is integer
1.0 is float
3 is odd
4 is even
6 is divisibleby 3
'a' is lower
'A' is upper
1 is eq 1
1 is ne 2
1 is in [1, 2]
'  x \x1c'.strip()
'\u00a0x\u2003'.strip()
'xxabcxx'.strip('x')
'xyabc'.lstrip('xy')
'abcxy'.rstrip('xy')
'\n\na\n'.lstrip('\n')
'a,b,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.rsplit(',')
'  a  b  c '.split()
'  a  b  c '.split(none, 1)
'  a  b  c '.rsplit(none, 1)
''.split()
''.split(',')
'a'.split('')
'a\nb\r\nc\x0bd'.splitlines()
'a\nb\n'.splitlines(true)
'a\n\nb'.splitlines(keepends=true)
'a</think>b</think>c'.split('</think>')[-1]
'a</think>b'.partition('</think>')[2]
'ab'.partition('x')[0]
'a.b.c'.rpartition('.')[0]
'ab'.rpartition('x')[2]
'prefix-x'.removeprefix('prefix-')
'x'.removeprefix('y')
'x.txt'.removesuffix('.txt')
'abcabc'.index('c')
'abcabc'.rindex('c')
'abc'.index('z')
'äbcäbc'.find('c')
'abc'.find('z')
'abcabc'.rfind('b')
'abcabc'.count('bc')
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.endswith('bc')
'abc'.endswith(('x', 'c'))
'a-b-c'.replace('-', '+')
'a-b-c'.replace('-', '+', 1)
'hello World'.title()
'hello World'.capitalize()
'Hello'.upper()
'Hello'.lower()
'Hello'.swapcase()
'Straße'.casefold()
'abc'.isalpha()
'12'.isdigit()
'a1'.isalnum()
' '.isspace()
'abc'.islower()
'ABC'.isupper()
', '.join(['a', 'b'])
'7'.zfill(3)
'-7'.zfill(4)
'ab'.ljust(4, '.')
'ab'.rjust(5)
'ab'.center(5, '*')
'abc'.center(6, '*')
'{} and {}'.format(1, 'x')
'{0}{1}{0}'.format('a', 'b')
'{a}'.format(a=1)
[1, 2, 2].count(2)
[1, 2, 3].index(2)
[1, 2] | length
'äöü' | length
{'a': 1} | length
' x ' | trim
'xxaxx' | trim('x')
'\x1f a' | trim
[1, 2] | first
[1, 2] | last
[3, 1, 2] | sort
[3, 1, 2] | sort(reverse=true)
['b', 'A', 'c'] | sort
[1, 2, 3] | reverse | list
'abc' | reverse
[1, 2] | join(', ')
['a', none, 1] | join('-')
[{'a': 1}, {'a': 2}] | map(attribute='a') | list
['a', 'b'] | map('upper') | list
[{'r': 'u', 'n': 1}, {'r': 's', 'n': 2}] | selectattr('r', 'equalto', 'u') | list | length
[{'r': 'u', 'n': 1}, {'r': 's', 'n': 2}] | rejectattr('r', 'equalto', 'u') | map(attribute='n') | list
[1, 2, 3, 4] | select('odd') | list
[1, none, 2] | reject('none') | list
[0, 1, ''] | select | list
missing | default('d')
'' | default('d', true)
none | default('d')
'3' | int
'x' | int
'x' | int(5)
'3.5' | float
3.7 | int
2.5 | round
2.567 | round(2)
-3 | abs
3 | string
none | string
[1] | string
true | string
'a' | upper
'Ab' | lower
'ab cd' | title
'ab cd' | capitalize
'a b' | replace(' ', '_')
'a\nb' | indent(2)
'a\nb' | indent(4, true)
'a\nb' | indent(2, first=true)
{'b': 1, 'a': 2} | dictsort
{'b': 1} | items | list
[1, 1, 2] | unique | list
[1, 2, 3] | sum
[1, 2, 3] | min
[1, 2, 3] | max
[1, 2, 3, 4, 5] | batch(2) | list
{'a': [1, 2.5, none], 'é': '<&>'} | tojson
{'a': [1, {'b': []}]} | tojson(indent=2)
[1, 2] | tojson(indent=4)
'é' | tojson
'é' | tojson(ensure_ascii=true)
{'b': 1, 'a': 2} | tojson(sort_keys=true)
[1, {'a': 2}] | tojson(separators=(',', ':'))
'<&>' | e
'<&>' | escape
'a' | list
range(3) | list
range(1, 7, 2) | list
dict(a=1)
namespace(a=1).a
'%s-%s' | format(1, 'a')
'a b c' | wordcount
'abc' is string and 'abc' is not mapping
[1, 2] == [1, 2]
'a' < 'b'
1 == 1.0
1 == true
(1, 2)
(1, 2) | length
'a' if missing else 'b'
missing.attribute is defined
{'a': none}.a is none
raise_exception('no')
'x'.unknown()
'x' | unknown
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    out = parser.parse_args().out

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    rows = []
    for expression in EXPRESSIONS.strip().splitlines():
        try:
            rows.append([expression, env.from_string("{{ " + expression + " }}").render()])
        except Exception:
            rows.append([expression, None])
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (out / "expressions.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
