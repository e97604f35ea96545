#!/usr/bin/env bash
# tools/setup.sh: installs the packages limpid is built with, those that are missing and no others.
#
# Silent when everything is there. Needs root or sudo only when something is missing.
# LIMPID_SKIP_SETUP=1 turns it off, for packages that no package manager knows of. LIMPID_MPI=1 asks
# for Open MPI as well, for builds with -DLIMPID_MPI=ON. Python is for the test that compares README
# with stored results; doxygen, for `make docs`, is not installed.
set -euo pipefail

fail() {
  echo "limpid: setup: $1" >&2
  exit 1
}

# as_root command...: runs it as root; need_root has checked that it can.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# need_root command: stops unless this is root or sudo is there; "command" is the advice.
need_root() {
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    fail "packages are missing, and there is neither root nor sudo; run as root: $1"
}

# missing wanted present: prints the words of "wanted" that are not lines of "present".
missing() {
  local package
  for package in $1; do
    case $'\n'$2$'\n' in
      *$'\n'"$package"$'\n'*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

setup_apt() {  # Debian, Ubuntu: the system this project is tested on
  local wanted present absent
  wanted="g++ cmake make pkg-config libopenblas-pthread-dev libtbb-dev doctest-dev libstb-dev"
  wanted+=" zlib1g-dev nlohmann-json3-dev libcli11-dev python3"
  [ -z "${LIMPID_MPI:-}" ] || wanted+=" libopenmpi-dev openmpi-bin"
  # shellcheck disable=SC2086
  present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
            sed -n 's/^installed //p' || true)
  absent=$(missing "$wanted" "$present")
  [ -n "$absent" ] || return 0
  need_root "apt-get install $absent"
  echo "limpid: setup: installing $absent" >&2
  as_root apt-get update -qq >/dev/null || fail "apt-get update failed: is there a network?"
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $absent >/dev/null ||
    fail "apt-get could not install $absent"
}

setup_dnf() {  # Fedora, best effort
  local wanted="gcc-c++ cmake make pkgconf-pkg-config openblas-devel tbb-devel doctest-devel"
  wanted+=" stb-devel zlib-devel json-devel cli11-devel python3"
  [ -z "${LIMPID_MPI:-}" ] || wanted+=" openmpi-devel"
  # shellcheck disable=SC2086
  rpm -q --whatprovides $wanted >/dev/null 2>&1 && return 0
  need_root "dnf install $wanted"
  # shellcheck disable=SC2086
  as_root dnf install -q -y $wanted >&2 || fail "dnf could not install $wanted"
}

setup_pacman() {  # Arch Linux, best effort
  local wanted="gcc cmake make pkgconf openblas onetbb doctest stb zlib nlohmann-json cli11 python"
  [ -z "${LIMPID_MPI:-}" ] || wanted+=" openmpi"
  # shellcheck disable=SC2086
  pacman -T $wanted >/dev/null 2>&1 && return 0
  need_root "pacman -S --needed $wanted"
  # shellcheck disable=SC2086
  as_root pacman -S --needed --noconfirm $wanted >&2 || fail "pacman could not install $wanted"
}

setup_brew() {  # macOS, best effort: the stb headers are left to the user
  local wanted="cmake pkgconf openblas tbb doctest zlib nlohmann-json cli11"
  [ -z "${LIMPID_MPI:-}" ] || wanted+=" open-mpi"
  # shellcheck disable=SC2086
  brew list --versions $wanted >/dev/null 2>&1 && return 0
  # shellcheck disable=SC2086
  brew install --quiet $wanted >&2 || fail "brew could not install $wanted"
}

[ -z "${LIMPID_SKIP_SETUP:-}" ] || exit 0
if command -v apt-get >/dev/null; then setup_apt
elif command -v dnf >/dev/null; then setup_dnf
elif command -v pacman >/dev/null; then setup_pacman
elif command -v brew >/dev/null; then setup_brew
fi  # no known package manager: CMake names what is missing
