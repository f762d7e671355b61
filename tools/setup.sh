#!/usr/bin/env bash
# Makes .venv: `tools/setup.sh base` for running the SDK, `tools/setup.sh dev` for the tests and docs too.
# Everything is pinned by version and hash in requirements/. Run again, it does only what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?base or dev}
stamp=.venv/.$what-$(cat "requirements/$what.txt" pyproject.toml | sha256sum | cut -c1-16)

# Debian packages that suites need: an HSM token in software, a database, a browser. Where they cannot be installed
# these tests are skipped, and CI fails.
system() {
  local wanted=$1 package=$2 suite=$3
  { command -v "$wanted" || compgen -G "$wanted"; } >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $package"
    [ -n "${updated:-}" ] || apt-get update -qq && updated=1
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >/dev/null && return
  fi
  echo "left out: $suite (no $package here; Debian: apt-get install $package)" >&2
  [ -z "${CI:-}" ]
}
if [ "$what" = dev ]; then
  system softhsm2-util softhsm2 "tests/hsm"
  system "/usr/lib/postgresql/*/bin/initdb" postgresql "tests with PostgreSQL"
  system chromium chromium "tests/browser"
  system "/usr/share/fonts/opentype/noto/NotoSansCJK*" fonts-noto-cjk "Korean letters in tests/browser"
fi

# Other people's implementations for tests/interop, without their install scripts.
peers() {
  local folder=tests/interop/node mark
  mark=$folder/node_modules/.vcred-$(sha256sum <"$folder/package-lock.json" | cut -c1-16)
  [ -e "$mark" ] && return
  if command -v npm >/dev/null && node -e 'process.exit(Number(parseInt(process.versions.node) < 20))'; then
    echo "installing tests/interop/node (pinned, hashes checked)"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error && touch "$mark" && return
  fi
  echo "left out: the peers from npm in tests/interop (needs Node.js 20 or newer, with npm)" >&2
  [ -z "${CI:-}" ]
}
[ "$what" != dev ] || peers

[ -e "$stamp" ] && exit 0

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo "$candidate"; return; }
  done
  echo "vcred needs Python 3.11 or newer (set PYTHON=/path/to/python)" >&2
  return 1
}

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -qq -y python3-venv
    else
      echo "$python has no venv module: install it (Debian: apt-get install python3-venv)" >&2
      exit 1
    fi
  fi
  echo "setting up .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
echo "installing requirements/$what.txt (pinned, hashes checked)"
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$what.txt"
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$stamp"
