/* Which importer a file is for, by what is in it. */
#include "import/import.h"

#include "import/zip.h"

typedef enum content { CONTENT_CHECKPOINT, CONTENT_ONNX, CONTENT_OTHER } content;

/* A checkpoint is a zip archive, or in its old form a pickle. An ONNX model has no mark of its own: its first bytes are
 * a field of a protobuf message, nearly always the version, and never a letter. */
static content look(const yk_map *map, const char *path)
{
    const char *extension = yk_extension(path);
    if (yk_zip_matches(map->data, map->size) || (map->size >= 2 && map->data[0] == 0x80 && map->data[1] <= 5))
        return CONTENT_CHECKPOINT;
    if (map->data[0] == 0x08 || yk_equal_ignoring_case(extension, ".onnx"))
        return CONTENT_ONNX;
    return CONTENT_OTHER;
}

yolk_status yk_import_file(const char *path, const yk_import_options *options, yk_graph **out)
{
    static const yk_import_options none;
    yk_map map;
    *out = NULL;
    yolk_status status = yk_map_open(path, &map);
    if (status != YOLK_OK)
        return status;
    char *folder = NULL;
    yk_graph *g = NULL;
    switch (look(&map, path)) {
    case CONTENT_CHECKPOINT:
        status = yk_import_pt(map.data, map.size, &g);
        break;
    case CONTENT_ONNX:
        folder = yk_strndup(path, (size_t)(yk_base_name(path) - path));
        status = folder ? yk_import_onnx(map.data, map.size, *folder ? folder : ".", options ? options : &none, &g)
                        : YOLK_ERROR_OUT_OF_MEMORY;
        if (status == YOLK_OK)
            status = yk_graph_own_map(g, &map);
        break;
    default:
        status = yk_fail(YOLK_ERROR_DAMAGED, "it is neither a checkpoint (.pt) nor an ONNX model");
    }
    if (status == YOLK_OK) {
        *out = g;
    } else {
        yk_graph_destroy(&g);
        yk_fail_prefix(status, "%s: ", path);
    }
    yk_free(folder);
    yk_map_close(&map);
    return status;
}
