#!/usr/bin/env bash
# Installs torch, in the version that constraints.txt pins, into the environment of the Python it is given:
#
#   deploy/install_torch.sh .venv/bin/python
#
# On Linux PyPI's torch carries gigabytes of CUDA, which nothing here uses. So the CPU build is taken, from the index in
# TORCH_INDEX (by default PyTorch's own). Where that cannot be reached, or TORCH_INDEX is empty, torch comes from the index that
# pip is configured with, as everything else does. Nothing is done where the pinned version is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${1:?which Python? for instance: deploy/install_torch.sh .venv/bin/python}"
index="${TORCH_INDEX-https://download.pytorch.org/whl/cpu}"
wanted="$(sed -n 's/^torch==//p' constraints.txt)"
: "${wanted:?constraints.txt pins no torch}"

installed="$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)"
[ "${installed%%+*}" != "$wanted" ] || exit 0

install=("$python" -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt)
if [ "$(uname -s)" = Linux ] && [ -n "$index" ]; then
  # What torch needs is not taken from there: it comes with the rest, in the versions that are pinned.
  "${install[@]}" --retries 1 --timeout 15 --no-deps --index-url "$index" "torch==$wanted" 2>/dev/null && exit 0
  echo "torch $wanted cannot be had from $index (TORCH_INDEX names another index); taking it from the configured one" >&2
fi
"${install[@]}" "torch==$wanted"
