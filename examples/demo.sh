#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What `make demo` shows: one small spec explained, compiled, checked and timed;
# then the attention of a real sentence encoder; then 65,536 tokens.
set -euo pipefail

bin=${1:-build/bin}
here=$(cd "$(dirname "$0")" && pwd)
# NumPy comes from Debian, for Debian's interpreter.
python=/usr/bin/python3
[ -x "$python" ] || python=python3

say() { printf '\n== %s\n\n' "$*"; }

say "A spec: examples/causal.mlir"
sed -n '/^func/,$p' "$here/causal.mlir"

say "attnc explain examples/causal.mlir --shape q=1x8x2048x64 --shape k=1x8x2048x64"
"$bin/attnc" explain "$here/causal.mlir" --shape q=1x8x2048x64 --shape k=1x8x2048x64

say "attnc run examples/causal.mlir --shape ... --threads=1 --check --timing"
"$bin/attnc" run "$here/causal.mlir" --shape q=1x8x2048x64 --shape k=1x8x2048x64 \
  --threads=1 --check --timing

say "A real model: every layer of all-MiniLM-L6-v2, then 65,536 tokens"
"$python" "$here/minilm/demo.py" --attnc "$bin/attnc" --check-long
