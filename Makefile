# Short names for the usual jobs; CMake does the building. `make help` lists them.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
CMAKE_FLAGS ?=
# 1: the demo without OpenVINO, by yolk's own kernels.
NATIVE ?=
# 1: NVIDIA's compiler as well, for the CUDA backend.
CUDA ?=
# What each other build is configured with. Instrumented code makes gcc warn of what cannot happen.
instrumented = -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DYOLK_CUDA_ARCHS=
asan_flags = $(instrumented) -DYOLK_SANITIZE=address,undefined
tsan_flags = $(instrumented) -DYOLK_SANITIZE=thread
coverage_flags = $(asan_flags) -DYOLK_COVERAGE=ON
fuzz_flags = $(instrumented) -DCMAKE_C_COMPILER=clang -DYOLK_FUZZ=ON -DYOLK_SANITIZE=address,undefined
install_flags = -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$(PREFIX)" -DYOLK_TESTS=OFF -DYOLK_OPENVINO_DIR= -DYOLK_TENSORRT_DIR=

build_in = scripts/build.sh
native = $(filter-out 0,$(NATIVE))
cuda = $(filter-out 0,$(CUDA))

.PHONY: all build help setup demo test test-gpu asan tsan fuzz arm lint format docs coverage bench install clean

all: build ## same as build

build: ## the library, build/yolk, examples and tests
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## installs the packages and files that building, the demo and the tests need; CUDA=1: and NVIDIA's compiler
	@scripts/setup.sh run test $(if $(cuda),cuda)

demo: ## sets up, builds, and finds the objects in a clip: out/demo; NATIVE=1: without OpenVINO
	@scripts/setup.sh $(if $(native),native,run)
	@$(build_in) $(BUILD) $(CMAKE_FLAGS) -- yolk-cli
	@scripts/demo.sh $(BUILD)/yolk out/demo $(if $(native),--backend native)

test: ## sets up, builds and runs every test
	@scripts/setup.sh run test
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)
	@tests/run $(BUILD)

# Instrumented kernels take fifty times as long, so that there are fewer random shapes for them.
asan coverage: export CASES = 100

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup.sh run test
	@$(build_in) build-asan $(asan_flags)
	@tests/run build-asan $$(ls build-asan/tests/test_*) tests/cli/*.bats tests/fuzz/*.t

test-gpu: build ## what needs an NVIDIA GPU; YOLK_GPU_MODELS: a folder of models to try (.deps/models)
	@YOLK_GPU_MODELS="$${YOLK_GPU_MODELS:-$(CURDIR)/.deps/models}" tests/run $(BUILD) $$(ls $(BUILD)/tests-gpu/test_* 2>/dev/null || \
		{ echo "make: this build has no CUDA backend" >&2; exit 1; })

# Without the tests that only compute, on one thread nearly all the time.
tsan: ## what has threads, the pipeline above all, under ThreadSanitizer
	@scripts/setup.sh run test
	@$(build_in) build-tsan $(tsan_flags)
	@tests/run build-tsan $$(ls build-tsan/tests/test_* | grep -vE 'hostile|_(cpu_(conv|qconv|bytes|steps)|(agreement|nms|tensorrt)$$|(pt|onnx|pickle|plan|eval|head|reference))') \
		$(patsubst %,tests/cli/%.bats,video signals devices)

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/setup.sh run fuzz
	@$(build_in) build-fuzz $(fuzz_flags)
	@scripts/fuzz.sh build-fuzz/fuzz $(FUZZ_SECONDS)

arm: ## what computes networks, built for 64-bit ARM and tested under qemu
	@scripts/setup.sh run arm
	@$(build_in) $(BUILD) $(CMAKE_FLAGS) -- forward
	@tests/arm $(BUILD)

lint: ## clang-format, clang-tidy and cppcheck
	@scripts/setup.sh run test lint
	@$(build_in) $(BUILD) $(CMAKE_FLAGS)
	@scripts/lint.sh $(BUILD)

format: ## lays the sources out as .clang-format says
	@scripts/sources.sh | xargs clang-format -i

docs: ## the API's pages in build-docs/html; undocumented names are errors
	@scripts/setup.sh packages-only docs
	@mkdir -p build-docs && doxygen docs/Doxyfile && echo "build-docs/html/index.html"

# Under the sanitizers, as each of the two needs all tests. The kernels' threads count without locks, so that a branch may
# have been taken "-3" times, which gcovr calls an error.
coverage: ## what asan does, and the line coverage of src/, at least 92 %
	@scripts/setup.sh run test coverage
	@$(build_in) build-coverage $(coverage_flags)
	@find build-coverage -name '*.gcda' -delete
	@tests/run build-coverage $$(ls build-coverage/tests/test_*) tests/cli/*.bats tests/fuzz/*.t
	@gcovr --root . --filter src/ --object-directory build-coverage --exclude-unreachable-branches \
		--gcov-ignore-parse-errors --print-summary --fail-under-line 92 build-coverage

bench: ## every benchmark; results in bench/results
	@scripts/setup.sh run test
	@$(build_in) build $(CMAKE_FLAGS) -- all yolk-bench
	@bench/setup-peers.sh
	@for part in video/peers_cpu network/peers_cpu network/network_cpu network/layers_cpu network/load_cpu \
		network/start_cpu convert/int8_cpu memory/flat; do \
		python3 bench/$$part.py || exit 1; done

install: ## library, headers, yolk, man page, completion and OpenVINO's files under PREFIX (/usr/local), below DESTDIR
	@$(build_in) build-install $(install_flags) $(CMAKE_FLAGS)
	@DESTDIR="$(DESTDIR)" cmake --install build-install

clean: ## removes everything built; .deps stays
	rm -rf build build-*/ out
