#!/usr/bin/env bash
# Runs every small recipe, or those that are named, from start to end and prints what it did:
#   benches/tiny_runs.sh [configs/tiny_X.toml …]
# "wall" is what the clock says, "cpu" what the cores worked, both in seconds: on a machine with two
# cores and nothing else to do, wall is little more than half of cpu.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/common.sh

configs=("$@")
[ $# -gt 0 ] || configs=(configs/tiny_*.toml)

print_row config steps wall cpu "pass@1 before → after" "reward before → after"
print_row --- ---: ---: ---: --- ---
failed=0
for config in "${configs[@]}"; do
  name=$(basename "$config" .toml)
  if train_once "$name" "$config"; then
    print_row "$name" "$steps" "$wall" "$cpu" \
      "$(change 'eval/held_out/pass@1')" "$(change 'eval/held_out/reward')"
    rises 'eval/held_out/pass@1' || rises 'eval/held_out/reward' || failed=1
  else
    print_row "$name" failed - - "$(tail -n 1 "$runs/$name.err")" -
    failed=1
  fi
  rm -rf "${runs:?}/$name"
done
exit "$failed"
