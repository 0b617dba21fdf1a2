#!/usr/bin/env bash
# Runs the browser tests against the built program: tests/browser/run.sh BINARY [TEST...]
# Folders of its own and the shipped model. Exit code 77: something is missing, and it says what.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
aha=$1
shift

skip() {
  printf 'SKIPPED: browser tests: %s;\n' "$1" >&2
  exit 77
}
command -v node >/dev/null || skip "there is no Node.js"
command -v chromium >/dev/null || skip "there is no Chromium (apt-get install chromium)"
[ -d "$here/node_modules/playwright-core" ] || skip "the npm packages of tests/browser are not there (npm ci)"

work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

AHA_MODELS="$root/models" "$aha" serve --port 0 --data "$work/data" --runs "$work/runs" --recipes "$root/recipes" \
  > "$work/address" 2> "$work/serve.log" &
server=$!
for _ in $(seq 300); do
  [ -s "$work/address" ] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -s "$work/address" ] || { cat "$work/serve.log" >&2; exit 1; }
url=$(head -1 "$work/address")
curl -sf "$url/" -o /dev/null || skip "this build has no web app"
AHA_URL=$url node "$here/run.mjs" "$@" || { cat "$work/serve.log" >&2; exit 1; }
