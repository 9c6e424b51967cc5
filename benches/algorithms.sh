#!/usr/bin/env bash
# Trains the demo's model for a few steps by every algorithm, or by those that are named, with its
# own defaults, and prints held-out accuracy before → after each seed:
#   SEEDS="1 2" STEPS=8 benches/algorithms.sh [NAME …]
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/common.sh

read -ra seeds <<<"${SEEDS:-1 2}"
count=${STEPS:-8}
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <("$trainer" algos | cut -d' ' -f1)

# The demo in small: 16 questions a step, 8 completions each, measured before and after.
common=(--steps "$count" --set demo.eval=128 --set demo.train=640
  --set rollout.prompts_per_step=16 --set optim.warmup_steps=0
  --set "eval.every=$count" --set checkpoint.every=0)

# What an algorithm needs beside the questions, a setting a line.
needs() {
  case $1 in
    # One update here moves responses further than these bounds, which are for large models, allow:
    # of a second one nearly all would be clipped.
    gspo | luspo) echo train.mini_batches=1 ;;
    # The penalty has to act within the demo's 48 tokens.
    dapo) printf '%s\n' algo.overlong_horizon=48 algo.overlong_buffer=16 ;;
    # A value head that starts at nothing has to learn faster than the policy moves.
    ppo) echo critic.optim.lr=1e-3 ;;
    # Completions that look at the picture first, to be imitated.
    sft) printf '%s\n' demo.train=0 'demo.sft=[{rows=4096,looking_share=1.0}]' \
      rollout.prompts_per_step=128 rollout.samples_per_prompt=1 ;;
    # The teacher is the demo's model after some GRPO.
    on_policy_distillation) echo "train.reference=$runs/teacher/checkpoints/latest" ;;
  esac
}

teach() {
  [ -d "$runs/teacher" ] || train_once teacher "${common[@]}" --seed 9 --set checkpoint.every="$count"
}

print_row algorithm steps "${seeds[@]/#/seed }"
print_row --- ---: "${seeds[@]/*/---}"
failed=0
for name in "${names[@]}"; do
  cells=()
  if [ "$name" = on_policy_distillation ]; then teach; fi
  for seed in "${seeds[@]}"; do
    extra=()
    while read -r setting; do extra+=(--set "$setting"); done < <(needs "$name")
    if train_once "$name-$seed" "${common[@]}" --seed "$seed" --set "algo.name=$name" "${extra[@]}"; then
      cells+=("$(change 'eval/held_out/pass@1')")
      rises 'eval/held_out/pass@1' || failed=1
    else
      cells+=("failed: $(tail -n 1 "$runs/$name-$seed.err")")
      failed=1
    fi
    rm -rf "${runs:?}/$name-$seed"
  done
  print_row "$name" "$count" "${cells[@]}"
done
exit "$failed"
