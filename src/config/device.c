#include "config/device.h"

#include <string.h>

static bool parse_numbers(const char *text, yk_devices *out)
{
    for (const char *p = text;; p++) {
        int number = 0;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 3 || out->count == YK_MAX_DEVICES)
            return false;
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (*p++ - '0');
        for (int i = 0; i < out->count; i++) {
            if (out->index[i] == number)
                return false;
        }
        out->index[out->count++] = number;
        if (*p != ',')
            return *p == '\0';
    }
}

bool yk_devices_parse(const char *text, yk_devices *out)
{
    static const char *const kinds[] = {"auto", "cpu", "cuda", "dummy"};
    size_t length = strcspn(text, ":");
    *out = (yk_devices){0};
    for (size_t i = 0; i < YK_COUNT(kinds); i++) {
        if (strlen(kinds[i]) != length || memcmp(kinds[i], text, length) != 0)
            continue;
        memcpy(out->kind, text, length);
        return !text[length] || (i > 0 && parse_numbers(text + length + 1, out));
    }
    return false;
}
