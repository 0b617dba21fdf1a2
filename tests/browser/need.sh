# Sourced by the scripts here: ends them, loudly, where a browser test cannot run.
need_browser() {
  command -v node >/dev/null || skip "browser tests: there is no Node.js"
  command -v chromium >/dev/null || skip "browser tests: there is no Chromium (apt-get install chromium)"
  [ -d "$here/node_modules/playwright-core" ] ||
    skip "browser tests: the npm packages of tests/browser are not there (npm ci)"
}
