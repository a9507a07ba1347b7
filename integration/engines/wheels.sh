#!/usr/bin/env bash
# Makes the Python environment of the tests, .tools/venv, from PyPI with pinned
# versions. Does nothing when it is there already; fails when it can not be made.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$here/../.." && pwd)/.tools/venv
stamp=$venv/.firn-requirements
if cmp -s "$here/requirements.txt" "$stamp"; then exit 0; fi

python=
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
  [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
  if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "setup: no Python from 3.10 to 3.13 found; install python3.11, or name one: PYTHON=/path/to/python $0" >&2
  exit 1
fi

echo "setup: Python wheels into .tools/venv (half a minute, once)" >&2
mkdir -p "$(dirname "$venv")"
# Debian's python3 comes without venv's half of pip unless python3-venv is there.
if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
  rm -rf "$venv"
  echo "setup: $python has no venv; taking virtualenv from PyPI instead" >&2
  if ! "$python" -m pip install --quiet --disable-pip-version-check --target "$venv-virtualenv" virtualenv==20.36.1 ||
    ! PYTHONPATH="$venv-virtualenv" "$python" -m virtualenv --quiet "$venv"; then
    echo "setup: no environment can be made with $python; install its venv (Debian: apt-get install python3-venv), then run $0 again" >&2
    exit 1
  fi
  rm -rf "$venv-virtualenv"
fi
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"; then
  echo "setup: pip could not install the wheels; check the network and pip's index settings, then run $0 again" >&2
  exit 1
fi
cp "$here/requirements.txt" "$stamp"
