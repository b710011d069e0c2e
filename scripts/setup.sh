#!/usr/bin/env bash
# Sets up what yolk needs: Debian packages with apt, and the pinned files of scripts/deps.txt under .deps/.
#
#   scripts/setup.sh [run|native] [test] [browser] [lint] [fuzz] [arm] [docs] [coverage] [cuda]
#                    [packages-only|files-only]
#
# Without arguments it sets up "run": what `make demo` needs. "native" is the same without OpenVINO, for yolk's own
# kernels alone; an OpenVINO that is there stays. "test" adds, among others, NVIDIA's TensorRT-RTX (95 MB),
# with which the tests build engines; "browser" adds chromium (140 MB), in which the tests look at reports; "cuda" adds
# NVIDIA's compiler nvcc (105 MB), with which the CUDA backend is built where the system has none. It can be stopped and
# run again at any time; when everything is there it takes a second and no network. YOLK_NO_APT=1 leaves the system's
# packages alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run_packages=(gcc g++ make cmake ninja-build pkg-config libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
    libjansson-dev libfreetype-dev libfontconfig-dev fonts-dejavu-core libcmocka-dev python3 python3-venv)
test_packages=(bats perl ffmpeg jq)
lint_packages=(clang clang-format clang-tidy cppcheck)
fuzz_packages=(clang llvm)
arm_packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static ffmpeg libcmocka-dev:arm64)
docs_packages=(doxygen)
coverage_packages=(gcovr)

say() {
    printf 'setup: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

install_packages() {
    local missing=() package command=(apt-get) options=(-y -q --no-install-recommends)
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt on this system; please install the equivalents of: $*"
        return
    fi
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ -n "${YOLK_NO_APT:-}" ]; then
        say "not installed, as YOLK_NO_APT is set: ${missing[*]}"
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "these packages are missing, and there is no sudo; as root: apt-get install ${missing[*]}"
        command=(sudo apt-get)
    fi
    say "installing with ${command[*]}: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${command[@]}" update -q >&2 </dev/null
    "${command[@]}" install "${options[@]}" "${missing[@]}" >&2 </dev/null
}

# A virtual environment of our own, for its pip alone: it reads the user's pip settings and installs nothing.
make_venv() {
    .deps/venv/bin/python3 -m pip --version >/dev/null 2>&1 && return
    rm -rf .deps/venv .deps/venv.new
    python3 -m venv .deps/venv >&2 || die "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
}

# get_wheel FOLDER[:PART] REQUIREMENT PLATFORM SHA256 KEEP...: one line of deps.txt. The list of files put in place is
# written last, under a hash of that line, so that a run cut anywhere is taken up again by the next one.
get_wheel() {
    local name=$1 folder=${1%%:*} requirement=$2 platform=$3 sha256=$4 python=312 receipt new file
    shift 4
    [ "${folder##*.cp}" = "$folder" ] || python=${folder##*.cp}
    receipt=.deps/receipts/$name-$(printf '%s\n' "$sha256" "$@" | sha256sum | cut -c1-16)
    if [ -e "$receipt" ] && (cd ".deps/$folder" && sha256sum --status -c "../../$receipt") 2>/dev/null; then
        return
    fi
    make_venv
    say "downloading $requirement for $folder"
    new=.deps/new/$name
    rm -rf "$new"
    mkdir -p "$new/wheel" "$new/files" .deps/receipts
    printf '%s --hash=sha256:%s\n' "$requirement" "$sha256" >"$new/requirement"
    .deps/venv/bin/python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: \
        --python-version "3.${python#3}" --implementation cp --abi "cp$python" --platform "$platform" -d "$new/wheel" -r "$new/requirement" >&2 </dev/null ||
        die "pip could not download $requirement; check the network and pip's settings (pip config list), then run this again"
    python3 scripts/unwheel.py "$new"/wheel/*.whl "$new/files" "$@"
    (cd "$new/files" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$new/receipt"
    (cd "$new/files" && find . -type f -printf '%P\n') | while IFS= read -r file; do
        mkdir -p ".deps/$folder/$(dirname "$file")"
        mv -f "$new/files/$file" ".deps/$folder/$file"
    done
    # What another version had and this one has not goes.
    for file in .deps/receipts/"$name"-*; do
        [ -e "$file" ] || continue
        comm -23 <(sed 's/^[0-9a-f]* [ *]//' "$file" | sort) <(sed 's/^[0-9a-f]* [ *]//' "$new/receipt" | sort) |
            (cd ".deps/$folder" && xargs -r -d '\n' rm -f --)
        rm -f "$file"
    done
    find ".deps/$folder" -type d -empty -delete
    mv -f "$new/receipt" "$receipt"
    rm -rf "$new"
}

get_files() {
    local architecture folder only requirement platform sha256 keep python
    case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64 | arm64) architecture=arm64 ;;
    *) architecture=none && say "no OpenVINO for $(uname -m): yolk will have its own backends only" ;;
    esac
    python=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    if [ $want_tensorrt -eq 1 ] && [ $architecture = amd64 ] && ! grep -q "^tensorrt\.$python " scripts/deps.txt; then
        say "TensorRT has no package for this Python ($python): the tests that build its engines will be skipped"
    fi
    mkdir -p .deps
    exec 9>.deps/lock
    flock 9
    while read -r folder only requirement platform sha256 keep; do
        case $folder in '' | '#'*) continue ;; esac
        case $only in any | "$architecture") ;; *) continue ;; esac
        [ "$folder" = openvino ] && [ $want_openvino -eq 0 ] && continue
        case $folder in cuda:*) [ $want_cuda -eq 1 ] || continue ;; esac
        case $folder in *.cp* | tensorrt) [ $want_tensorrt -eq 1 ] || continue ;; esac
        case $folder in *.cp*) [ "${folder##*.}" = "$python" ] || continue ;; esac
        set -f # the patterns are for unwheel.py, not for the shell
        # shellcheck disable=SC2086
        set -- $keep
        set +f
        get_wheel "$folder" "$requirement" "$platform" "$sha256" "$@"
    done <scripts/deps.txt
}

packages=("${run_packages[@]}")
want_packages=1
want_files=1
want_openvino=1
want_tensorrt=0
want_cuda=0
want_browser=0
want_arm=0
for word in "$@"; do
    case $word in
    run) ;;
    native) want_openvino=0 ;;
    test)
        packages+=("${test_packages[@]}")
        want_tensorrt=1
        ;;
    browser) want_browser=1 ;;
    lint) packages+=("${lint_packages[@]}") ;;
    fuzz) packages+=("${fuzz_packages[@]}") ;;
    arm) want_arm=1 ;;
    docs) packages+=("${docs_packages[@]}") ;;
    coverage) packages+=("${coverage_packages[@]}") ;;
    cuda) want_cuda=1 ;;
    packages-only) want_files=0 ;;
    files-only) want_packages=0 ;;
    *) die "unknown word '$word'; allowed are run, native, test, browser, lint, fuzz, arm, docs, coverage, cuda, packages-only, files-only" ;;
    esac
done
if [ $want_packages -eq 1 ]; then
    install_packages "${packages[@]}"
    # Debian has packages of both architectures in one place; elsewhere the tests say that they cannot run.
    if [ $want_arm -eq 1 ] && grep -qs '^ID=debian' /etc/os-release && [ "$(dpkg --print-architecture)" = amd64 ]; then
        if [ -z "${YOLK_NO_APT:-}" ] && ! dpkg --print-foreign-architectures | grep -qx arm64; then
            $([ "$(id -u)" -eq 0 ] || echo sudo) dpkg --add-architecture arm64
        fi
        install_packages "${arm_packages[@]}"
    fi
    if [ $want_browser -eq 1 ] && ! command -v chromium >/dev/null; then
        if apt-cache show chromium >/dev/null 2>&1; then
            install_packages chromium
        else
            say "this system has no package chromium (Ubuntu's is a snap): the tests will not look at reports in it"
        fi
    fi
    # clang's sanitizer and fuzzer libraries are a package of their own, named by version, except on Ubuntu 22.04.
    if [[ " ${packages[*]} " == *" llvm "* ]] && command -v clang >/dev/null; then
        runtime=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
        if apt-cache show "$runtime" >/dev/null 2>&1; then
            install_packages "$runtime"
        fi
    fi
fi
if [ $want_files -eq 1 ]; then
    get_files
fi
