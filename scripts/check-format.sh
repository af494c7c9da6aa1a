#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Checks (or fixes) the layout of the C and C++ sources with clang-format 22.

set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/arguments.sh"

usage() {
  cat <<TEXT
usage: scripts/check-format.sh [--fix] [--root DIR] [--help]

Checks the layout of all C and C++ sources in the rooms against .clang-format.
Only version 22 is used, since versions differ; without it the check is skipped
with exit status 77.

  --fix   rewrite the files (\`make format\`)
TEXT
}

parse_arguments --fix "$@"

formatter=
for candidate in clang-format-22 /usr/lib/llvm-22/bin/clang-format clang-format; do
  case $("$candidate" --version 2>/dev/null) in
    *"version 22."*) formatter=$candidate && break ;;
  esac
done
if [ -z "$formatter" ]; then
  echo "check-format: skipped: clang-format 22 is not installed" >&2
  exit 77
fi

cd "$root"
rooms=()
for room in dialect passes codegen runtime tools test bench examples python; do
  [ ! -d $room ] || rooms+=("$room")
done
files=()
if [ ${#rooms[@]} -gt 0 ]; then
  mapfile -d '' files < <(find "${rooms[@]}" -type f \
    \( -name '*.h' -o -name '*.c' -o -name '*.cpp' \) \
    -not -path '*/Inputs/*' -print0 | sort -z)
fi
if [ ${#files[@]} -eq 0 ]; then
  echo "check-format: error: no source file found in $root" >&2
  exit 1
fi

if [ $change -eq 1 ]; then
  "$formatter" -i "${files[@]}"
  echo "check-format: ${#files[@]} files formatted"
else
  # One line a file: clang-format itself prints two for every blank.
  bad=0
  for file in "${files[@]}"; do
    if ! "$formatter" --dry-run -Werror "$file" >/dev/null 2>&1; then
      echo "$file: error: not as clang-format 22 lays it out" >&2
      bad=$((bad + 1))
    fi
  done
  if [ $bad -ne 0 ]; then
    echo "check-format: error: $bad of ${#files[@]} files: run \`make format\`" >&2
    exit 1
  fi
  echo "check-format: ${#files[@]} files in good layout"
fi
