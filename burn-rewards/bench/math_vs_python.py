"""The math verifier and the Python library on the same pairs, in one run.

    python burn-rewards/bench/math_vs_python.py [PAIRS.jsonl]

Needs `math-verify[antlr4]==0.9.0` and a Rust toolchain. Without an argument the pairs are those of
math-verify's own tests. Each pair is parsed on both sides and compared; both sides are warm.
"""

import json
import logging
import pathlib
import subprocess
import sys
import time

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

logging.disable(logging.CRITICAL)
ROOT = pathlib.Path(__file__).resolve().parents[2]
PAIRS = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/math_verify/pairs.jsonl"
FIRST = LatexExtractionConfig(boxed_match_priority=0)
TARGETS = {
    "default": None,
    "boxed0": [FIRST, ExprExtractionConfig()],
    "latex": [FIRST],
    "expr": [ExprExtractionConfig()],
}


def graded(row):
    targets = TARGETS[row["config"]]
    options = [targets] if targets else []
    return verify(parse(row["gold"], *options), parse(row["pred"], *options), **row.get("opts", {}))


rows = [json.loads(line) for line in open(PAIRS, encoding="utf-8")]
rows = [row for row in rows if row["config"] in TARGETS]
for row in rows[:50]:
    graded(row)
times = []
for row in rows:
    start = time.perf_counter()
    graded(row)
    times.append(1e6 * (time.perf_counter() - start))
times.sort()


def at(q):
    return times[int((len(times) - 1) * q)]


print(f"Python, {len(rows)} pairs: p50 {at(.5):.0f} us, p90 {at(.9):.0f} us, p99 {at(.99):.0f} us, "
      f"mean {sum(times) / len(times):.0f} us, slowest {times[-1]:.0f} us", flush=True)
command = ["cargo", "run", "--release", "-q", "-p", "burn-rewards", "--example", "math_corpus", "--",
           str(PAIRS)]
lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
print("Rust:", lines.strip().splitlines()[-1])
