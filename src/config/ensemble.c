#include "config/ensemble.h"

#include <string.h>

#include "base/base.h"

int yk_ensemble_weights(const char *text, float weights[YK_ENSEMBLE_MODELS])
{
    int count = 0;
    if (!*text)
        return 0;
    for (;; text++) {
        char number[32];
        double value;
        text += strspn(text, " ");
        size_t n = strcspn(text, ",");
        if (count == YK_ENSEMBLE_MODELS || n >= sizeof number)
            return -1;
        memcpy(number, text, n);
        number[n] = '\0';
        /* Far apart enough for every purpose, and no sum of them overflows. */
        if (!yk_parse_double(number, &value) || !(value >= 1e-6 && value <= 1e6))
            return -1;
        weights[count++] = (float)value;
        text += n;
        if (!*text)
            return count;
    }
}

int yk_ensemble_votes(const char *text, int models)
{
    int64_t number;
    if (strcmp(text, "affirmative") == 0)
        return 1;
    if (strcmp(text, "consensus") == 0)
        return models / 2 + 1;
    if (strcmp(text, "unanimous") == 0)
        return models;
    return yk_parse_int(text, &number) && number >= 1 && number <= YK_ENSEMBLE_MODELS ? (int)number : -1;
}
