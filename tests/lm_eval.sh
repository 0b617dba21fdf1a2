#!/usr/bin/env bash
# tools/check_lm_eval.py as a slow test: tests/lm_eval.sh BINARY. Needs Python packages that are not installed for it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=$root/../shared/data/smollm2-135m-instruct-q4_1.gguf
python3 -c 'import lm_eval, torch, transformers, datasets' 2>/dev/null || {
  echo 'SKIPPED: lm-evaluation-harness: pip install "lm-eval[api]" torch transformers datasets;' >&2
  exit 77
}
[ -e "$model" ] || { echo "SKIPPED: lm-evaluation-harness: no $model;" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" models import --type f32 -o "$work/model" "$model"
python3 "$root/tools/check_lm_eval.py" --aha "$1" --model "$work/model" --items 100
