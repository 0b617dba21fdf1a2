#!/usr/bin/env bash
# Runs the SDKs of other people against the built program: tests/sdk/run.sh BINARY [TEST...]
# Exit code 77: something is missing, and it says what.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
aha=$1
shift
command -v node >/dev/null || skip "SDK tests: there is no Node.js"
[ -d "$here/node_modules/openai" ] || skip "SDK tests: the npm packages of tests/sdk are not there (npm ci)"
export AHA_KEY=key-of-the-sdk-tests
serve --api-key "$AHA_KEY"
AHA_URL=$url node "$here/sdk_test.mjs" "$@" || { cat "$work/serve.log" >&2; exit 1; }
