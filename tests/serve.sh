# Sourced by scripts that need a server: `serve FLAGS...` starts $aha with the model that ships and a folder of its own,
# sets $url, and ends it with the script. `skip WHY` says loudly that nothing was tested.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
server=

skip() {
  printf 'SKIPPED: %s;\n' "$1" >&2
  exit 77
}

finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  rm -rf "$work"
}

serve() {
  work=$(mktemp -d)
  trap finish EXIT
  AHA_MODELS="$root/models" "$aha" serve --port 0 --data "$work/data" --runs "$work/runs" --recipes "$root/recipes" \
    "$@" > "$work/address" 2> "$work/serve.log" &
  server=$!
  for _ in $(seq 600); do
    [ -s "$work/address" ] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  [ -s "$work/address" ] || { cat "$work/serve.log" >&2; exit 1; }
  url=$(head -1 "$work/address")
}
