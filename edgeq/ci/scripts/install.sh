#!/bin/bash
# Installs $EDGEQ_INSTALL, a pip requirement of edgeq, into a virtual environment at $EDGEQ_VENV; then, where it is
# given, the file $EDGEQ_REQUIREMENTS with what else the model's own code imports.
set -euo pipefail

python3 -m venv "$EDGEQ_VENV"
pip=("$EDGEQ_VENV/bin/python" -m pip install --quiet --disable-pip-version-check)
if [[ $EDGEQ_INSTALL == *[[,]torch[],]* ]]; then
  # From PyTorch's own index: its build for the CPU, without gigabytes of GPU libraries.
  "${pip[@]}" --index-url https://download.pytorch.org/whl/cpu 'torch>=2.13,<2.14'
fi
"${pip[@]}" "$EDGEQ_INSTALL"
if [[ -n ${EDGEQ_REQUIREMENTS:-} ]]; then
  "${pip[@]}" --requirement "$EDGEQ_REQUIREMENTS"
fi

# The steps that follow find it by name.
if [[ -n ${GITHUB_PATH:-} ]]; then
  echo "$EDGEQ_VENV/bin" >> "$GITHUB_PATH"
fi
