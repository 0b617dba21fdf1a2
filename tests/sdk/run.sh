#!/usr/bin/env bash
# Runs other people's SDKs against the built program: tests/sdk/run.sh BINARY node|python [TEST...]
# Exit code 77: something is missing, and it says what.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
aha=$1 language=$2
shift 2
if [ "$language" = node ]; then
  command -v node >/dev/null || skip "SDK tests: there is no Node.js"
  [ -d "$here/node_modules/openai" ] || skip "SDK tests: the npm packages of tests/sdk are not there (npm ci)"
else
  [ -d "$here/python/openai" ] ||
    skip "SDK tests: the Python packages are not there (pip install --target tests/sdk/python -r tests/sdk/requirements.txt)"
fi
export AHA_KEY=key-of-the-sdk-tests
serve --api-key "$AHA_KEY"
export AHA_URL=$url
failed() {
  cat "$work/serve.log" >&2
  exit 1
}
case "$language" in
  node) node "$here/sdk_test.mjs" "$@" || failed ;;
  python) PYTHONPATH=$here/python python3 "$here/sdk_test.py" || failed ;;
esac
