#!/usr/bin/env bash
# Sets up a bare Debian 12 machine, builds aha, and does its main job.
#   ./run.sh               build, then ask the model that ships a problem, and check its answer
#   ./run.sh build         only build
#   ./run.sh ARGS...       build, then aha ARGS..., e.g. ./run.sh ask "Why is the sky blue?"
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tools/setup.sh"
export AHA_MODELS="${AHA_MODELS:-$root/models}"

setup_packages
setup_ui
setup_build release
if [ ! -x "$root/build/release/aha" ]; then
  say "Building build/release/aha (the first time takes a few minutes)"
  ninja -C "$root/build/release" aha >&2
else
  ninja -C "$root/build/release" --quiet aha >&2
fi
[ "${1:-}" = build ] && exit 0

if [ $# -gt 0 ]; then exec "$root/build/release/aha" "$@"; fi
aha="$root/build/release/aha"
say "A problem that the model has never seen: it thinks, answers, and the answer is checked"
"$aha" ask --show-thought --task countdown --set numbers=4 --set division=true --set targets=drawn --seed 8
say "The same in a person's words: aha ask \"Use 9, 7 and 8 to make 10\""
"$aha" ask --show-thought "Use 9, 7 and 8 to make 10"
say "This model was grown from random weights by reward alone (models/aha-countdown/README.md). To grow it again:"
say "  ./run.sh train recipes/countdown-4-zero.toml   (the shipped one; within an hour on 2 cores)"
say "  ./run.sh train recipes/countdown-zero.toml     (a smaller one: nine minutes)"
say "  ./run.sh train recipes/parity.toml             (a minute: thinking emerges while you watch)"
say "The web app: ./run.sh serve --open   (chat with it, and watch models learn; on this machine alone)"
say "Other models: ./run.sh models pull HuggingFaceTB/SmolLM2-135M-Instruct. Next: ./run.sh chat · ./run.sh --help"
