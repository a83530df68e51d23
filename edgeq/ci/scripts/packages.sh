#!/bin/bash
# Installs what is missing of what a virtual board is built and run with, on Debian 12 or newer. clang-22 is what knows
# the ESP32's core; a system whose packages have none can still run the firmware as a process ($EDGEQ_RUNNER host).
set -euo pipefail

wanted=(ca-certificates git python3-venv gcc libc6-dev)
if [[ ${EDGEQ_RUNNER:-qemu_lx6} == qemu_lx6 ]]; then
  wanted+=(clang-22 llvm-22 binutils-xtensa-lx106 qemu-system-misc)
fi

missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done

if ((${#missing[@]})); then
  as_root=()
  ((EUID == 0)) || as_root=(sudo -n)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
