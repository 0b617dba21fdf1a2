# Sourced by run.sh and test.sh: installs missing Debian packages and configures a build folder.
# Defines: say, setup_packages, setup_build PRESET. Needs $root.

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

# Configures build/PRESET unless it stands already; CMake itself sees later changes.
setup_build() {
  [ -e "$root/build/$1/build.ninja" ] && return
  say "Configuring build/$1"
  (cd "$root" && cmake --preset "$1" >/dev/null)
}
