/* Runs a fuzz target over files, one TAP line a file, so that the kept corpora are tests on every compiler. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long length;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        /* Exactly as many bytes as the file has, so that a read past the end is seen. */
        bytes = malloc((size_t)length ? (size_t)length : 1);
        *size = (size_t)length;
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    int failed = 0;
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        size_t size = 0;
        uint8_t *bytes = read_file(argv[i], &size);
        if (bytes)
            LLVMFuzzerTestOneInput(bytes, size);
        failed |= !bytes;
        printf("%s %d - %s\n", bytes ? "ok" : "not ok", i, argv[i]);
        fflush(stdout);
        free(bytes);
    }
    return failed;
}
