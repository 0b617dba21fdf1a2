#!/usr/bin/env bash
# Runs the browser tests against the built program: tests/browser/run.sh BINARY [TEST...]
# Exit code 77: something is missing, and it says what.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
. "$here/need.sh"
aha=$1
shift
need_browser
serve
curl -sf "$url/" -o /dev/null || skip "browser tests: this build has no web app"
AHA_URL=$url node "$here/run.mjs" "$@" || { cat "$work/serve.log" >&2; exit 1; }
