#!/usr/bin/env bash
# tools/docs.sh: the reference of all installed headers, build/docs/html, by Doxygen. Any warning
# is an error.
#
#   tools/docs.sh [FOLDER]    build/docs unless given
set -euo pipefail
cd "$(dirname "$0")/.."

command -v doxygen >/dev/null || {
  echo "docs: no doxygen: apt-get install doxygen (or dnf, pacman, brew install doxygen)" >&2
  exit 77  # skipped, for ctest
}
folder=${1:-build/docs}
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
find framework interpret datasets -name '*.h' | sort |
xargs python3 tools/docs/filter.py "$folder/source" README.md
# What Doxygen says is about the filtered headers, whose lines have the same numbers
LIMPID_DOCS=$folder doxygen tools/docs/Doxyfile 2>&1 | sed "s|^$folder/source/||" >&2
echo "$folder/html/index.html"
