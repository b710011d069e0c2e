# tests/run counts what the tests say, and sees a test that dies.

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    folder=$(mktemp -d)
}

teardown() {
    rm -rf "$folder"
}

test_file() { # NAME LINES EXIT-STATUS
    printf '%s\n' "printf '$2'" "exit ${3:-0}" >"$folder/$1.t"
}

@test "passed, failed and skipped tests of several programs are added up" {
    test_file a '1..3\nok 1 - x\nok 2 - y # SKIP no data\nnot ok 3 - z\n' 1
    test_file b '1..2\nok 1\nok 2\n'
    run "$root/tests/run" "$folder" "$folder/a.t" "$folder/b.t"
    [ "$status" -ne 0 ]
    [[ $output == *$'\n3 passed, 1 failed, 1 skipped' ]]
}

@test "a test that cmocka 1.1.5 skipped is skipped" {
    test_file a '1..2\nok 1 - x\nnot ok 2 # SKIP y\n'
    run "$root/tests/run" "$folder" "$folder/a.t"
    [ "$status" -eq 0 ]
    [[ $output == *$'\n1 passed, 0 failed, 1 skipped' ]]
}

@test "a program that is skipped as a whole counts once" {
    test_file a '1..0 # SKIP no data\n'
    run "$root/tests/run" "$folder" "$folder/a.t"
    [[ $output == *$'\n0 passed, 0 failed, 1 skipped' ]]
}

@test "a program that dies half way has failed" {
    test_file a '1..3\nok 1\nok 2\n' 139
    run "$root/tests/run" "$folder" "$folder/a.t"
    [ "$status" -ne 0 ]
    [[ $output == *$'\n2 passed, 1 failed, 0 skipped' ]]
}

@test "a program that hangs has failed" {
    printf 'echo 1..1\nexec sleep 60\n' >"$folder/a.t"
    YOLK_TEST_TIMEOUT=1 run "$root/tests/run" "$folder" "$folder/a.t"
    [ "$status" -ne 0 ]
    [[ $output == *$'\n0 passed, 1 failed, 0 skipped' ]]
}
