#!/bin/bash
# 2,000 steps of a tiny recipe: memory, file handles, threads and the time of a step, by fifths of the
# run. Nothing of it may grow.
#   benches/long_run.sh [STEPS]
set -euo pipefail
trainer=$(realpath "$(dirname "$0")/../target/release/trainer")
steps=${1:-2000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$trainer" train --set demo.train=64 --set demo.eval=4 --set rollout.prompts_per_step=4 \
  --set rollout.samples_per_prompt=4 --set train.mini_batches=1 --set eval.every=0 \
  --set checkpoint.every=20 --set rollout.sampling.max_new_tokens=16 --set eval.max_new_tokens=16 \
  --set train.steps="$steps" --run-dir run > said.txt 2>&1 &
process=$!
while kill -0 $process 2> /dev/null; do
  if [ -d /proc/$process/fd ] && [ -s run/metrics.jsonl ]; then
    echo "$(wc -l < run/metrics.jsonl) $(awk '/VmRSS/ { print $2 }' /proc/$process/status)" \
      "$(find /proc/$process/fd | wc -l) $(find /proc/$process/task -maxdepth 1 | wc -l)"
  fi
  sleep 1
done 2> /dev/null > samples.txt
wait $process
python3 - "$steps" << 'P'
import json, statistics, sys
steps = int(sys.argv[1])
samples = [tuple(map(int, line.split())) for line in open("samples.txt") if len(line.split()) == 4]
times = {l["step"]: l["time/step_s"] for l in map(json.loads, open("run/metrics.jsonl")) if l["step"]}
for part in range(5):
    first, last = part * steps // 5, (part + 1) * steps // 5
    here = [s for s in samples if first < s[0] <= last]
    middle = lambda i: statistics.median(s[i] for s in here) if here else float("nan")
    step = statistics.median(t for s, t in times.items() if first < s <= last)
    print(f"steps {first + 1} to {last}: {middle(1) / 1024:.1f} MiB, {middle(2):.0f} handles, "
          f"{middle(3):.0f} threads, {1000 * step:.1f} ms a step")
P
