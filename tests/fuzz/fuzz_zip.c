/* Zip archives: what is read lies inside the bytes that were given, and every entry is found again. */
#include <stdlib.h>

#include "import/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yk_zip zip;
    if (yk_zip_open(data, size, &zip) != YOLK_OK)
        return 0;
    for (size_t i = 0; i < zip.count; i++) {
        const yk_zip_entry *e = &zip.entries[i];
        if (e->data < data || e->size > (size_t)(data + size - e->data))
            abort();
        if (yk_zip_find(&zip, e->name, e->name_length) != e)
            abort();
        yk_zip_check(e);
    }
    yk_zip_close(&zip);
    return 0;
}
