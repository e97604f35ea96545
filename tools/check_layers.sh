#!/usr/bin/env bash
# tools/check_layers.sh: checks who includes whom, first lines and ASCII. Prints file:line: reason.
#
# The two tables below are the architecture; the program behind them only applies them.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

# folder: what its files may include besides their own folder (a folder with all below it, or one
# file). The longest folder that fits a file decides.
layers='
framework/core:
framework/kernels:    framework/core
framework/tensor:     framework/core framework/kernels
framework/ops:        framework/core framework/kernels framework/tensor
framework/autograd:   framework/core framework/tensor framework/ops
framework/nn:         framework/core framework/tensor framework/ops
framework/optim:      framework/core framework/tensor framework/ops
framework/io:         framework/core framework/kernels framework/tensor
framework/linalg:     framework/core framework/kernels framework/tensor
framework/import:     framework/core framework/kernels framework/tensor framework/ops framework/nn
                      framework/io
framework/train:      framework
framework:            framework
datasets:             framework/core framework/tensor framework/io
interpret/numerics:   framework
interpret/metrics:    framework interpret/numerics
interpret/saliency:   framework interpret/numerics
interpret/coreset:    framework interpret/numerics interpret/saliency
interpret/shallow:    framework interpret/numerics interpret/saliency
interpret/transport:  framework interpret/numerics interpret/metrics
interpret/gradient_penalty: framework interpret/numerics
interpret/support_vectors:  framework interpret/numerics interpret/metrics interpret/coreset
interpret/report:     framework interpret/numerics interpret/shallow
interpret:            framework interpret
tools:                framework datasets interpret
tests:                framework datasets interpret tools
'

# start of a package header: the only files or folders that may include it.
packages='
cblas.h:          framework/core/parallel.cpp framework/kernels/gemm.cpp
openblas_config.h: framework/core/parallel.cpp framework/kernels/gemm.cpp
mpi.h:            framework/core/ranks_mpi.cpp
oneapi/:          framework/core/parallel_tbb.cpp
tbb/:             framework/core/parallel_tbb.cpp
zlib.h:           framework/io/gzip.cpp framework/io/stb.cpp
stb/:             framework/io/stb.cpp framework/io/image.cpp
nlohmann/:        framework/io/json.cpp
CLI/:             tools/arguments.cpp
doctest/:         tests
benchmark/:       tests/bench
'

# Umbrella headers are for users: tools, tests, and the umbrella above them.
umbrellas='
framework/framework.h:
framework/ops/ops.h:    framework/framework.h
interpret/interpret.h:
datasets/datasets.h:
'

find framework datasets interpret tools tests \( -name '*.h' -o -name '*.cpp' \) 2>/dev/null |
sort | xargs -r awk -v layers="$layers" -v packages="$packages" -v umbrellas="$umbrellas" '
# Reads "key: values" lines, which may go on below; returns the keys, separated by spaces.
function read_table(text, table,    words, n, i, key, keys) {
  n = split(text, words, /[ \n]+/)
  for (i = 1; i <= n; i++) {
    if (words[i] ~ /:$/) {
      key = words[i]; sub(/:$/, "", key)
      keys = keys " " key; table[key] = ""
    } else if (key != "") table[key] = table[key] " " words[i]
  }
  return keys
}
function below(path, place) { return path == place || index(path, place "/") == 1 }
function allowed(path, places,    list, n, i) {
  n = split(places, list, " ")
  for (i = 1; i <= n; i++) if (below(path, list[i])) return 1
  return 0
}
function layer_of(path,    list, n, i, best) {
  n = split(layer_keys, list, " ")
  for (i = 1; i <= n; i++)
    if (below(path, list[i]) && length(list[i]) > length(best)) best = list[i]
  return best
}
function report(reason) { print FILENAME ":" FNR ": " reason; failed = 1 }

function check_own(header,    mine, theirs) {
  mine = layer_of(FILENAME); theirs = layer_of(header)
  if (mine != theirs && !allowed(header, layer[mine]))
    report(mine " must not include " header)
  if (header in umbrella && mine != "tools" && mine != "tests" &&
      !allowed(FILENAME, umbrella[header]))
    report("umbrella header " header " in library code: include what is used")
}
function check_package(header,    list, n, i) {
  n = split(package_keys, list, " ")
  for (i = 1; i <= n; i++)
    if (index(header, list[i]) == 1 && !allowed(FILENAME, package[list[i]]))
      report("<" header "> belongs in" package[list[i]] " only")
}

BEGIN {
  layer_keys = read_table(layers, layer)
  package_keys = read_table(packages, package)
  read_table(umbrellas, umbrella)
}
FNR == 1 && (index($0, "// " FILENAME ": ") != 1 || $0 !~ /\.$/) {
  report("the first line must be \"// " FILENAME ": purpose.\"")
}
/[^ -~\t]/ { report("not plain ASCII") }
/^[ \t]*#[ \t]*include/ {
  header = $0
  sub(/^[^"<]*["<]/, "", header); sub(/[">].*/, "", header)
  if (header ~ /^(framework|datasets|interpret|tools|tests)\//) {
    check_own(header)
  } else {
    check_package(header)
  }
}
END { exit failed }
' || exit 1
