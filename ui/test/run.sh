#!/usr/bin/env bash
# Checks the web app's types and runs the tests of this folder: ui/test/run.sh
set -euo pipefail
ui=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$ui/../tests/serve.sh"
command -v npm >/dev/null || skip "the web app's tests: there is no Node.js"
[ -d "$ui/node_modules/jsdom" ] && [ -d "$ui/node_modules/typescript" ] ||
  skip "the web app's tests: the npm packages that they need are not there (cd ui && npm install --no-save)"
cd "$ui"
npm run --silent check
npm test --silent
