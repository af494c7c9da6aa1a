#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Whole kernels, kept as text: stage 4 of some examples for one fixed target, so
# that a change of passes shows what it does to kernels.
#
#   scripts/golden.sh --check  [BIN]   compares (the default)
#   scripts/golden.sh --update [BIN]   writes test/golden/Inputs anew
set -euo pipefail

mode=${1:---check}
root=$(cd "$(dirname "$0")/.." && pwd)
bin=${2:-$root/build/bin}
examples=(causal alibi gqa-window-bf16 rope-qknorm dequant-gate)

case "$mode" in
  --check|--update) ;;
  *) sed -n '3,8p' "$0"; [ "$mode" = --help ] && exit 0; exit 2 ;;
esac

status=0
for name in "${examples[@]}"; do
  golden=$root/test/golden/Inputs/$name.stage4.mlir
  text=$("$bin/attnc" compile "$root/examples/$name.mlir" --target=x86-64-v3 --emit=stage4)
  if [ "$mode" = --update ]; then
    printf '%s\n' "$text" > "$golden"
  elif ! diff -u "$golden" <(printf '%s\n' "$text"); then
    echo "$name: the kernel changed; if that is meant: scripts/golden.sh --update" >&2
    status=1
  fi
done
exit $status
