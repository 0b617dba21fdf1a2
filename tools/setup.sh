# Sourced by run.sh and test.sh: installs missing Debian packages and configures a build folder.
# Defines: say, setup_packages, setup_ui, setup_clients, setup_build PRESET. Needs $root.

say() { printf '\033[2m%s\033[0m\n' "$*" >&2; }

# Installs what tools/packages.txt lists and this machine lacks. A stamp makes the second run instant.
setup_packages() {
  local list="$root/tools/packages.txt" stamp package missing=() sudo=()
  stamp="$root/build/.packages-$(cksum < "$list" | cut -d' ' -f1)"
  [ -e "$stamp" ] && return
  for package in $(grep -v '^#' "$list"); do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    say "Installing Debian packages: ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  mkdir -p "$root/build" && touch "$stamp"
}

# Gets what the web app is bundled with: Node.js where there is none, and the npm packages that ui/package-lock.json
# names. When they cannot be had the build goes on without the web app.
setup_ui() {
  local stamp failed="$root/build/.ui-failed" sudo=()
  stamp="$root/ui/node_modules/.aha-$(cksum < "$root/ui/package-lock.json" | cut -d' ' -f1)"
  [ -e "$stamp" ] && return
  # A registry that did not answer is asked again after an hour, not at every start.
  if [ -n "$(find "$failed" -mmin -60 2>/dev/null)" ]; then
    say "This build has no web app: the npm packages could not be had (remove build/.ui-failed to try again now)"
    return
  fi
  if ! command -v npm >/dev/null; then
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    say "Installing Node.js, which bundles the web app: nodejs npm"
    { "${sudo[@]}" apt-get update -qq &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends nodejs npm; } >/dev/null || true
  fi
  say "Getting the web app's npm packages"
  if command -v npm >/dev/null &&
      (cd "$root/ui" && npm ci --omit=dev --no-audit --no-fund --loglevel=error --fetch-retries=1 \
        --fetch-timeout=60000 >&2); then
    touch "$stamp"
    rm -f "$failed" "$root"/build/*/ui/ui_files.cc
  else
    mkdir -p "$root/build" && touch "$failed"
    printf '\n*** The npm packages could not be had: this build will have NO WEB APP. Everything else works.\n' >&2
    printf '*** Run this again where the npm registry can be reached.\n\n' >&2
  fi
}

# Gets what the app and the APIs are tested with: Debian's Chromium, and the npm and Python packages of
# ui, tests/browser and tests/sdk (other people's clients). Without them those tests are skipped, and say so.
setup_clients() {
  local stamp sudo=()
  if ! command -v chromium >/dev/null; then
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    say "Installing Chromium, which the web app is tested in: chromium"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends chromium >/dev/null || true
  fi
  stamp="$root/tests/sdk/python/.aha-$(cksum < "$root/tests/sdk/requirements.txt" | cut -d' ' -f1)"
  if [ ! -e "$stamp" ]; then
    say "Getting the Python packages of tests/sdk"
    python3 -m pip install --quiet --disable-pip-version-check --target "$root/tests/sdk/python" --upgrade \
      -r "$root/tests/sdk/requirements.txt" >&2 && touch "$stamp" || true
  fi
  command -v npm >/dev/null || return 0
  # `install` adds to what the web app is bundled with; `ci` would take that away first.
  setup_test_packages ui install --no-save
  setup_test_packages tests/browser ci
  setup_test_packages tests/sdk ci
}

# setup_test_packages FOLDER NPM_COMMAND...: the npm packages that its package-lock.json names.
setup_test_packages() {
  local folder="$root/$1" stamp
  stamp="$folder/node_modules/.aha-tests-$(cksum < "$folder/package-lock.json" | cut -d' ' -f1)"
  [ -e "$stamp" ] && return
  say "Getting the npm packages of $1 for its tests"
  shift
  (cd "$folder" && npm "$@" --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=60000 >&2) &&
    touch "$stamp" || true
}

# Configures build/PRESET unless it stands already; CMake itself sees later changes. A header of the system that
# was replaced since is not seen: packages keep the date of their making, so it is no newer than the precompiled
# header, which clang then refuses.
setup_build() {
  local folder="$root/build/$1" header
  for header in $(find "$folder" -name '*.pch' 2>/dev/null); do
    if [ -n "$(cd "$folder" && ninja -t deps "${header#"$folder"/}" | grep '^    ' |
        xargs -r -I{} find {} -newercm "$header" -print -quit 2>/dev/null | head -1)" ]; then
      say "Headers of the system have changed: build/$1 is built anew"
      rm "$header"
    fi
  done
  [ -e "$folder/build.ninja" ] && return
  say "Configuring build/$1"
  (cd "$root" && cmake --preset "$1" >/dev/null)
}
