#!/usr/bin/env bash
# tests/consumer/run.sh: installs a build, moves the copy, then builds and runs a program with it.
#
#   run.sh BUILD_DIR cmake|pkgconfig      CXX: the compiler that built BUILD_DIR (default c++)
#
# Writes below BUILD_DIR/consumer only; what failed is left there to look at.
set -euo pipefail

fail() {
  echo "consumer: $1" >&2
  exit 1
}

source_dir=$(cd "$(dirname "$0")" && pwd)
build_dir=$(cd "$1" && pwd)
how=$2
compiler=${CXX:-c++}
folder=$build_dir/consumer/$how
limpid=$folder/moved
rm -rf "$folder"
mkdir -p "$folder"

# Whatever still points to the first place breaks below
cmake --install "$build_dir" --prefix "$folder/installed" >"$folder/install.log"
mv "$folder/installed" "$limpid"
if grep -rF --include='*.cmake' --include='*.pc' \
    -e "$build_dir" -e "${source_dir%/tests/consumer}/" "$limpid"; then
  fail "an installed file names the build or the source folder"
fi
for page in man/man1/limpid.1 bash-completion/completions/limpid zsh/site-functions/_limpid \
  fish/vendor_completions.d/limpid.fish; do
  [ -n "$(find "$limpid" -path "*/$page" -size +1k)" ] || fail "no $page was installed"
done

case $how in
  cmake)
    cmake -S "$source_dir" -B "$folder/build" -DCMAKE_PREFIX_PATH="$limpid" \
      -DCMAKE_CXX_COMPILER="$compiler" >"$folder/configure.log"
    grep -qF "limpid_DIR:PATH=$limpid/" "$folder/build/CMakeCache.txt" ||
      fail "find_package took another limpid"
    cmake --build "$folder/build" >"$folder/build.log" || fail "$(cat "$folder/build.log")"
    "$folder/build/consumer"
    ;;
  pkgconfig)
    pc=$(find "$limpid" -name limpid.pc)
    [ -n "$pc" ] || fail "no limpid.pc was installed"
    export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    flags=$(pkg-config --cflags --libs limpid)
    # shellcheck disable=SC2086
    "$compiler" -std=c++20 "$source_dir/main.cpp" $flags -o "$folder/consumer"
    "$folder/consumer"
    ;;
  *) fail "unknown way to find limpid: $how" ;;
esac
rm -rf "$folder"
