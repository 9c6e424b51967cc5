#!/usr/bin/env bash
# What to run on a machine with an NVIDIA GPU: is it right, does it learn, does its memory grow, how
# fast is it.
#
#   benches/gpu.sh [DEVICE] [OUT]        default: cuda:0 gpu-results
#
# Needs a build with `cuda` or `cuda-nvrtc` (docs/devices.md); set TRAINER to another binary.
# Every step's output goes to a file of OUT; the last lines say what passed.
set -uo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda:0}
out=${2:-gpu-results}
trainer=${TRAINER:-target/release/trainer}
mkdir -p "$out"
failed=0

# Runs a step, keeps what it prints, and says how it ended.
step() {
  local name=$1
  shift
  printf '== %s: %s\n' "$name" "$*"
  if "$@" >"$out/$name.txt" 2>&1; then
    echo "   done, $out/$name.txt"
  else
    echo "   FAILED with $?, $out/$name.txt"
    failed=1
  fi
}

# The value of one key of a step's line in a run's metrics.
metric() { grep "^{\"step\":$2," "$1/metrics.jsonl" | grep -o "\"$3\":[0-9.e+-]*" | cut -d: -f2; }

step devices "$trainer" inspect --devices
step smi nvidia-smi

# Right: with the kernels fused, and with every operation a kernel of its own.
step doctor "$trainer" doctor --device "$device"
step doctor_unfused env BURN_FUSION_MAX_EXPLORATIONS=0 "$trainer" doctor --device "$device"

# Learning: the demo, in bf16 and in f32.
for dtype in bf16 f32; do
  run="$out/demo_$dtype"
  rm -rf "$run"
  step "demo_$dtype" "$trainer" train --device "$device" --set "model.dtype=$dtype" --run-dir "$run"
  grep -o '"eval/held_out/pass@1":[0-9.e+-]*' "$run/metrics.jsonl" | tail -1
done

# Memory: 300 steps of the demo, the device's memory in use every ten seconds beside it.
run="$out/memory"
rm -rf "$run"
(while sleep 10; do nvidia-smi --query-gpu=timestamp,memory.used --format=csv,noheader; done) \
  >"$out/memory_used.csv" 2>/dev/null &
sampler=$!
step memory "$trainer" train --device "$device" --steps 300 --set checkpoint.every=0 --run-dir "$run"
kill "$sampler"
echo "device memory in use, first minute and last:"
sed -n 6p "$out/memory_used.csv"
tail -n 1 "$out/memory_used.csv"
for at in 100 200 300; do
  echo "host's memory/peak_bytes after step $at: $(metric "$run" "$at" memory/peak_bytes)"
done

# Speed: real shapes with drawn weights, 3B in full and 7B with an adapter.
shapes=(--init random --device "$device" --set 'model.freeze=[]' --prompt-tokens 1024
  --picture-tokens 512 --set rollout.prompts_per_step=16 --set rollout.max_batch=128
  --set rollout.sampling.max_new_tokens=512 --set train.micro_batch=4 --set train.mini_batches=1)
step bench_3b "$trainer" bench configs/mm_eureka_qwen_7b.toml "${shapes[@]}" \
  --set model.path=Qwen/Qwen2.5-VL-3B-Instruct
step bench_7b_lora "$trainer" bench configs/mm_eureka_qwen_7b.toml "${shapes[@]}" --set lora.rank=16
tail -n 6 "$out/bench_3b.txt" "$out/bench_7b_lora.txt"

exit "$failed"
