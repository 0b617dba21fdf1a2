#!/usr/bin/env bash
# Runs the browser tests that only the mock can pass, on the web app in DIST: tests/browser/run_mock.sh DIST
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
command -v node >/dev/null || skip "browser tests: there is no Node.js"
command -v chromium >/dev/null || skip "browser tests: there is no Chromium (apt-get install chromium)"
[ -d "$here/node_modules/playwright-core" ] || skip "browser tests: the npm packages of tests/browser are not there (npm ci)"
[ -e "$1/index.html" ] || skip "browser tests: this build has no web app"
AHA_UI_DIST=$1 node "$here/run.mjs" stopThinkingNow stopKeepsWhatThereIs lettingGoOfTheEnd keyIsAskedFor \
  passphraseIsAskedFor failuresAreCalmSentences payloadsInTheStream payloadsAsModelNames
