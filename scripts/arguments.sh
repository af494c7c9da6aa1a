# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sourced by scripts that take [FLAG] [--root DIR] [--help] and define usage.
# parse_arguments FLAG "$@" sets root, and changes to 1 where FLAG was given.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
change=0

parse_arguments() {
  local flag=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      "$flag") change=1 ;;
      --root)
        [ $# -ge 2 ] || { usage >&2 && exit 1; }
        root=$(cd "$2" && pwd)
        shift
        ;;
      -h | --help) usage && exit 0 ;;
      *) usage >&2 && exit 1 ;;
    esac
    shift
  done
}
