#!/usr/bin/env bash
# Runs the growth view's own tests against the built program, which they start: tests/browser/run_growth.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
. "$here/need.sh"
need_browser
node "$here/growth.mjs" "$1"
