# Short names for the usual jobs; CMake does the building. `make help` lists them.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
CMAKE_FLAGS ?=
# What each other build is configured with. Instrumented code makes gcc warn of what cannot happen.
instrumented = -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g"
asan_flags = $(instrumented) -DYOLK_SANITIZE=address,undefined
tsan_flags = $(instrumented) -DYOLK_SANITIZE=thread
coverage_flags = $(instrumented) -DYOLK_COVERAGE=ON
fuzz_flags = $(instrumented) -DCMAKE_C_COMPILER=clang -DYOLK_FUZZ=ON -DYOLK_SANITIZE=address,undefined
install_flags = -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$(PREFIX)" -DYOLK_TESTS=OFF -DYOLK_OPENVINO_DIR= -DYOLK_TENSORRT_DIR=

build_in = scripts/build.sh

.PHONY: all build help setup demo test asan tsan fuzz lint format docs coverage bench install clean

all: build ## same as build

build: ## the library, build/yolk, examples and tests
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## installs the packages and files that building, the demo and the tests need
	@scripts/setup.sh run test

demo: ## sets up, builds, and finds the objects in a clip: out/demo
	@scripts/setup.sh run
	@$(build_in) $(BUILD) $(CMAKE_FLAGS) -- yolk-cli
	@scripts/demo.sh $(BUILD)/yolk out/demo

test: ## sets up, builds and runs every test
	@scripts/setup.sh run test
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)
	@tests/run $(BUILD)

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup.sh run test
	@$(build_in) build-asan $(asan_flags)
	@tests/run build-asan

tsan: ## what has threads, the pipeline above all, under ThreadSanitizer
	@scripts/setup.sh run test
	@$(build_in) build-tsan $(tsan_flags)
	@tests/run build-tsan build-tsan/tests/test_* $(patsubst %,tests/cli/%.bats,video signals devices)

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/setup.sh run fuzz
	@$(build_in) build-fuzz $(fuzz_flags)
	@scripts/fuzz.sh build-fuzz/fuzz $(FUZZ_SECONDS)

lint: ## clang-format, clang-tidy and cppcheck
	@scripts/setup.sh run test lint
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)
	@scripts/lint.sh $(BUILD)

format: ## lays the sources out as .clang-format says
	@scripts/sources.sh | xargs clang-format -i

docs: ## the API's pages in build-docs/html; undocumented names are errors
	@scripts/setup.sh packages-only docs
	@mkdir -p build-docs && doxygen docs/Doxyfile && echo "build-docs/html/index.html"

coverage: ## line coverage of src/ by the tests, at least 92 %
	@scripts/setup.sh run test coverage
	@$(build_in) build-coverage $(coverage_flags)
	@find build-coverage -name '*.gcda' -delete
	@tests/run build-coverage
	@gcovr --root . --filter src/ --object-directory build-coverage --exclude-unreachable-branches \
		--print-summary --fail-under-line 92 -j 2 build-coverage

bench: ## every benchmark; results in bench/results
	@scripts/setup.sh run test
	@$(build_in) build $(CMAKE_FLAGS) -- all yolk-bench
	@bench/setup-peers.sh
	@for part in video/peers_cpu network/network_cpu network/load_cpu convert/int8_cpu memory/flat; do \
		python3 bench/$$part.py || exit 1; done

install: ## library, headers, yolk, man page, completion and OpenVINO's files under PREFIX (/usr/local), below DESTDIR
	@$(build_in) build-install $(install_flags) $(CMAKE_FLAGS)
	@DESTDIR="$(DESTDIR)" cmake --install build-install

clean: ## removes everything built; .deps stays
	rm -rf build build-*/ out
