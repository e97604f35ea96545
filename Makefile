# Makefile: the menu. CMake does the work; tools/setup.sh installs packages that are missing.
#
#   make CMAKE_FLAGS=-DLIMPID_WERROR=ON      more options for CMake
#   make test ARGS="-R unit.ops"             more options for ctest
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
CMAKE_FLAGS ?=
ARGS ?=
SECONDS ?= 60
PREFIX ?= /usr/local
PART ?= all
FASHION ?= fashion-mnist
CIFAR10 ?= cifar10
MNIST ?= $(HOME)/.cache/limpid/mnist
CIFAR100 ?= cifar100

# $(call build,preset,build options): configure, then build with every core. The make that CMake
# starts is not a child of this one: it has its own jobs and need not tell its folder.
build = @unset MAKEFLAGS MFLAGS MAKELEVEL && \
        cmake --preset $(1) $(CMAKE_FLAGS) && cmake --build --preset $(1) -j $(JOBS) $(2)
sources = find framework interpret datasets tools tests -name '*.h' -o -name '*.cpp'

.NOTPARALLEL:
.PHONY: all setup demo test debug asan tsan fuzz lint tidy docs mutants check bench reproduce reproduce-gradients \
        reproduce-dsv reproduce-coreset reproduce-shallow reproduce-transport \
        format install clean help

all: setup  ## build the release, build/limpid (plain "make" does this)
	$(call build,release,--target limpid)

setup:
	@tools/setup.sh

demo: all  ## train, explain, write build/demo/report.html
	@build/limpid demo --out build/demo

test: setup  ## build everything; unit, command-line and README tests
	$(call build,release)
	@ctest --preset release $(ARGS)

debug: setup  ## the tests with assertions on, in build-debug
	$(call build,debug)
	@ctest --preset debug $(ARGS)

asan: setup  ## the unit tests under the address and undefined-behaviour sanitizers
	$(call build,asan-ubsan)
	@ctest --preset asan-ubsan $(ARGS)

tsan: setup  ## the unit tests under the thread sanitizer, and a planted race it must find
	$(call build,tsan)
	@ctest --preset tsan $(ARGS)

fuzz: setup  ## every parser under libFuzzer for SECONDS each (needs clang)
	$(call build,fuzz)
	@tools/fuzz.sh build-fuzz $(SECONDS)

lint:  ## include directions, first lines, ASCII, formatting
	@tools/check_layers.sh
	@if command -v clang-format >/dev/null; then $(sources) | xargs clang-format --dry-run -Werror; \
	else echo "lint: no clang-format, formatting not checked" >&2; fi

tidy: all  ## clang-tidy on every library and tool file
	@find framework interpret datasets tools -name '*.cpp' | \
	xargs -P $(JOBS) -n 1 clang-tidy -p build --quiet

docs:  ## the reference of all headers, build/docs/html (needs doxygen)
	@tools/docs.sh

mutants: setup  ## faults put into the code, each of which a test must notice
	@python3 tools/mutants.py

check: lint test asan  ## what a change must pass

bench: setup  ## Google Benchmark, when it is installed (Debian: libbenchmark-dev)
	$(call build,release,--target limpid_bench)
	@build/limpid_bench $(ARGS)

reproduce: reproduce-gradients reproduce-dsv reproduce-coreset reproduce-transport reproduce-shallow  ## the experiments of the papers, hours in all

# Fashion-MNIST and CIFAR-10 by `limpid data get`, or: FASHION=idx:FOLDER CIFAR10=cifar:FOLDER
reproduce-gradients: all  ## predictions of interpretable gradients; PART=fashion for one part
	@python3 tools/reproduce/gradients.py --part $(PART) --fashion $(FASHION) --cifar10 $(CIFAR10) \
	--cifar100 $(CIFAR100)

# MNIST=FOLDER is where its IDX files are
reproduce-dsv: all  ## claims of deep support vectors; PART=select for one part
	$(call build,release,--target interpret_test)
	@python3 tools/reproduce/dsv.py --part $(PART) --mnist $(MNIST) --cifar10 $(CIFAR10)

reproduce-coreset: all  ## interpreting with little data; PART=vebi for one part
	@python3 tools/reproduce/coreset.py --part $(PART) --fashion $(FASHION) --mnist $(MNIST)

reproduce-shallow: all  ## size, exactness and speed (after make bench) of the shallow form; PART=exactness
	$(call build,release,--target interpret_test)
	@python3 tools/reproduce/shallow.py --part $(PART)

reproduce-transport: all  ## layers as transport; PART=dae-trained for one part
	@python3 tools/reproduce/transport.py --part $(PART) --mnist idx:$(MNIST) --fashion $(FASHION) \
	--cifar10 $(CIFAR10)

format:  ## rewrite the sources with clang-format
	@$(sources) | xargs clang-format -i

install: setup  ## headers, libraries, binary, manual page, shell completion below PREFIX
	$(call build,release)
	@cmake --install build --prefix $(PREFIX)

clean:  ## remove all build folders
	rm -rf build build-debug build-asan build-tsan build-fuzz build-mutants

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | \
	awk -F '\t' '{ printf "make %-20s %s\n", $$1, $$2 }'
