"""Holds the last column of math_verify/deviations.tsv to math-verify itself.

    python math_deviations.py ../math_verify/deviations.tsv

Gold answers are given to it as the row writes them. Without delimiters it reads the first number
only, a deviation with rows of its own; where another one of a bare gold answer is shown, that
answer is put between dollars. Prints the rows whose last column it denies.

Versions: math-verify 0.9.0, latex2sympy2_extended 1.11.0, sympy 1.14.0, antlr4 4.13.2.
"""

import sys

from math_verify import parse, verify

BETWEEN_DOLLARS = {"time of day", "set for a point", "percents of data"}

denied = 0
rows = open(sys.argv[1], encoding="utf-8").read().splitlines()[1:]
for row in filter(None, rows):
    name, gold, prediction, _, claimed = row.split("\t")
    read = f"${gold}$" if name in BETWEEN_DOLLARS else gold
    found = "true" if verify(parse(read), parse(prediction)) else "false"
    if found != claimed:
        denied += 1
        print(f"{name}: {gold!r} against {prediction!r}: {found}, the table says {claimed}")
print(f"{len(rows)} rows, {denied} denied")
sys.exit(denied > 0)
