# The commands and programs in the documents work as they stand there, one after the other in a folder of their own.
#
# A block marked ```sh is run; one marked with a language and a file's name (```c people.c) is written to that file, for
# the commands after it. What needs a camera, a GPU or another machine is marked ```shell and not run.
documents=(docs/guide.md docs/optimization.md)
yolk=${YOLK_BIN:-$PWD/build/yolk} build=${YOLK_BUILD:-$PWD/build} deps=${YOLK_DEPS:-$PWD/.deps} root=$PWD
unset YOLK_BIN YOLK_DEPS YOLK_SHARED YOLK_BUILD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# blocks DOCUMENT OUT: each block into OUT/LINE.kind (its mark) and OUT/LINE.text
blocks() {
    awk -v out="$2" '
        /^```/ && !inside { inside = 1; name = sprintf("%s/%05d", out, NR); print substr($0, 4) > (name ".kind"); printf "" > (name ".text"); next }
        /^```/ { inside = 0; close(name ".text"); next }
        inside { print > (name ".text") }
        END { exit inside }' "$1"
}

# What the documents take for granted: yolk on the path and as a library, a model, a clip, pictures.
furnish() { # PLACE
    mkdir -p "$1/models" "$1/photos" "$folder/bin" "$folder/pkgconfig"
    ln -sf "$yolk" "$folder/bin/yolk"
    ln -s "$deps/models/yolo26n.pt" "$1/models/"
    cp "$deps/images/bus.jpg" "$1/bus.jpg"
    cp "$deps"/images/*.jpg "$1/photos/"
    ffmpeg -nostdin -v error -ss 6 -i "$deps/clips/bikes.mp4" -frames:v 12 -c:v mpeg4 -q:v 3 -an "$1/street.mp4"
    local sanitize
    sanitize=$(sed -n 's/^YOLK_SANITIZE:[A-Z]*=\(..*\)/ -fsanitize=\1/p' "$build/CMakeCache.txt")
    printf 'Name: yolk\nDescription: -\nVersion: 0\nCflags: -I%s/include\nLibs: -L%s -Wl,-rpath,%s -lyolk%s\n' \
        "$root" "$build" "$build" "$sanitize" >"$folder/pkgconfig/yolk.pc"
}

run() { # PLACE TEXT
    (
        cd "$1" && export PATH=$folder/bin:$PATH PKG_CONFIG_PATH=$folder/pkgconfig
        bash -euo pipefail "$2" </dev/null >"$folder/log" 2>&1
    )
}

number=0
for document in "${documents[@]}"; do
    [ -e "$document" ] || continue
    name=$(basename "$document" .md)
    mkdir -p "$folder/$name.blocks"
    blocks "$document" "$folder/$name.blocks" || { number=$((number + 1)) && echo "not ok $number - $document: a block is left open"; }
    furnish "$folder/$name"
    for kind in "$folder/$name.blocks"/*.kind; do
        read -r language file <"$kind"
        text=${kind%.kind}.text line=$((10#$(basename "$kind" .kind)))
        if [ -n "$file" ]; then
            cp "$text" "$folder/$name/$file"
        elif [ "$language" = sh ]; then
            number=$((number + 1))
            what="$number - $document, line $line: $(grep -v '^#' "$text" | head -n 1)"
            if run "$folder/$name" "$text"; then
                echo "ok $what"
            else
                echo "not ok $what"
                tail -n 20 "$folder/log" | sed 's/^/# /'
            fi
        fi
    done
done
echo "1..$number"
