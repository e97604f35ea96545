#!/usr/bin/env bash
# tools/fuzz.sh BUILD SECONDS: runs every fuzz target, two at a time; prints one line for each.
#
# New inputs go to BUILD/fuzz/corpus/NAME, those that broke something to BUILD/fuzz/NAME-crash-*,
# and the whole report to BUILD/fuzz/NAME.log. Fails if anything broke.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1/fuzz
seconds=${2:-60}
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

run_one() {
  local program=$1 name corpus
  name=$(basename "$program"); name=${name#fuzz_}
  corpus=$folder/corpus/$name
  mkdir -p "$corpus"
  local status=passed
  "$program" "$corpus" "tests/data/corpus/$name" -max_total_time="$seconds" -max_len=16384 \
    -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -artifact_prefix="$folder/$name-" \
    > "$folder/$name.log" 2>&1 || status=BROKEN
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log")
  printf '%-12s %s: %s runs, %s inputs in the corpus\n' "$name" "$status" "${runs:-?}" \
    "$(find "$corpus" -type f | wc -l)"
  if [ "$status" != passed ]; then tail -n 40 "$folder/$name.log" >&2; return 1; fi
}
export -f run_one
export folder seconds
find "$folder" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort |
xargs -P 2 -I {} bash -c 'run_one {}'
