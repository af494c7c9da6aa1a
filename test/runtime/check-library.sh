#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# usage: check-library.sh LIBRARY STRIP READELF [MOST_BYTES]
#
# Shows that the runtime's shared library is small once stripped, needs nothing
# of LLVM or MLIR, and exports its own interface only.

set -eu
library=$1 strip=$2 readelf=$3 most=${4:-1000000}

copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
"$strip" -o "$copy" "$library"
size=$(wc -c <"$copy")
echo "stripped size: $size bytes (at most $most)"

needed=$("$readelf" -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
echo "needs:" $needed
soname=$("$readelf" -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
echo "soname: $soname"
exported=$("$readelf" -W --dyn-syms "$library" |
  awk '$5 == "GLOBAL" && $7 != "UND" { sub(/@.*/, "", $8); print $8 }' | sort)
echo "exports: $(echo "$exported" | wc -l) symbols"

fail() {
  echo "check-library: error: $1" >&2
  exit 1
}
[ "$size" -le "$most" ] || fail "larger than $most bytes"
[ -n "$needed" ] || fail "cannot read what it needs"
case $needed in *LLVM* | *MLIR*) fail "it needs LLVM or MLIR" ;; esac
[ "$soname" = libattnc_runtime.so.1 ] || fail "unexpected soname"
others=$(echo "$exported" | grep -v -e '^attnc_' -e '^ATTNC_1$' || true)
[ -z "$others" ] || fail "it exports $others"
echo "$exported" | grep -q '^attnc_launch$' || fail "attnc_launch is missing"
