#!/usr/bin/env bash
# Runs the browser tests that only the mock can pass, on the web app in DIST: tests/browser/run_mock.sh DIST
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../serve.sh"
. "$here/need.sh"
need_browser
[ -e "$1/index.html" ] || skip "browser tests: this build has no web app"
AHA_UI_DIST=$1 node "$here/run.mjs" stopThinkingNow stopKeepsWhatThereIs lettingGoOfTheEnd keyIsAskedFor \
  passphraseIsAskedFor failuresAreCalmSentences payloadsInTheStream payloadsAsModelNames
