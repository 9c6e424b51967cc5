# What the scripts of this folder share: one training run and what its metrics say.

trainer=${TRAINER:-target/release/trainer}
if [ ! -x "$trainer" ]; then
  echo "no $trainer: cargo build --release -p trainer, or set TRAINER" >&2
  exit 2
fi
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

# One line of a table.
print_row() {
  local line="|" cell
  for cell in "$@"; do line+=" $cell |"; done
  echo "$line"
}

# train_once NAME ARGUMENTS… trains into $runs/NAME and sets steps, wall and cpu (seconds).
train_once() {
  local name=$1 times rc=0
  shift
  run=$runs/$name
  TIMEFORMAT='%R %U %S'
  times=$({ time "$trainer" train "$@" --run-dir "$run" >"$runs/$name.out" 2>"$runs/$name.err"; } 2>&1) || rc=$?
  read -r wall cpu < <(awk '{ printf "%.0f %.0f\n", $1, $2 + $3 }' <<<"$times")
  [ "$rc" = 0 ] || return "$rc"
  steps=$(tail -n 1 "$run/metrics.jsonl" | grep -o '^{"step":[0-9]*' | cut -d: -f2)
}

# The value of a key in the line of a step of the last run.
metric() { grep "^{\"step\":$1," "$run/metrics.jsonl" | grep -o "\"$2\":[0-9.e+-]*" | cut -d: -f2; }

# change KEY: its value before the last run → after it.
change() { printf '%.3f → %.3f' "$(metric 0 "$1")" "$(metric "$steps" "$1")"; }

# Whether a key is larger after the last run than before it.
rises() { awk -v a="$(metric 0 "$1")" -v b="$(metric "$steps" "$1")" 'BEGIN { exit !(b > a) }'; }
