#!/usr/bin/env bash
# Sets up, builds everything, runs the tests.
#   ./test.sh              the fast tests (release build)
#   ./test.sh slow         the slow ones (real models)
#   ./test.sh asan|tsan|debug   the fast tests in that build
# Further arguments go to ctest, e.g. ./test.sh asan -R tokenizer
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tools/setup.sh"

preset=release
label=fast
case "${1:-}" in
  slow) label=slow; shift ;;
  asan|tsan|debug) preset=$1; shift ;;
esac

setup_packages
setup_ui
setup_clients
setup_build "$preset"
say "Building build/$preset"
cmake --build "$root/build/$preset" >&2
say "Running the $label tests"
cd "$root/build/$preset"
ctest -L "$label" -j "$(nproc)" --output-on-failure --output-junit "$root/build/$preset/tests.xml" "$@"
