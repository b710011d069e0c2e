/* Finding a model's file, and whether an engine fits what is asked for. */
#include <stdio.h>
#include <string.h>

#include "import/import.h"
#include "model/model.h"
#include "yolk/yolk.h"

/* What becomes of an engine. */
typedef enum verdict {
    TAKE,
    REPLACE, /* of no use to anybody: with `optimize` a new one takes its place */
    LEAVE    /* of use, but not now */
} verdict;

/* What is asked for. */
typedef struct request {
    const char *name;
    const yolk_config *config;
    bool optimize;
} request;

void yk_compiled_close(yk_compiled *c)
{
    if (c->network != c->graph || !c->engine)
        yk_graph_destroy(&c->network);
    if (!c->engine)
        yk_engine_source_free(&c->header.source);
    yk_engine_close(&c->engine); /* whose the graph is */
    yk_free(c->path);
    yk_free(c->source);
    yk_free(c->keep);
    *c = (yk_compiled){0};
}

/* ---- engines ---- */

/* The sentence about an engine that is not taken goes to the last error. */
static verdict judge_source(const yk_engine_header *h, const char *path, const char *named, char **found)
{
    bool same = true;
    char *folder = yk_strndup(path, (size_t)(yk_base_name(path) - path));
    char *beside = named ? yk_strdup(named) : folder ? yk_path_join(folder, h->source.name) : NULL;
    verdict v = TAKE;
    /* A name that leads elsewhere is none of yolk's. */
    if (beside && !named && strchr(h->source.name, '/')) {
        yk_free(beside);
        beside = NULL;
    }
    if (named && h->converted) {
        yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the engine holds a conversion to %s of %s, which was asked for itself",
                path, h->precision, named);
        v = LEAVE;
    } else if (named && strcmp(yk_base_name(named), h->source.name) != 0) {
        yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the engine was made from %s, not from %s", path, h->source.name, named);
        v = REPLACE;
    } else if (beside && yk_is_file(beside)) {
        if (yk_engine_source_same(&h->source, beside, &same) != YOLK_OK || !same) {
            yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the engine was made from another %s than the one that is there now",
                    path, h->source.name);
            v = REPLACE;
        } else {
            *found = beside;
            beside = NULL;
        }
    }
    yk_free(folder);
    yk_free(beside);
    return v;
}

static verdict judge_precision(const yk_engine_header *h, const char *path, const char *asked)
{
    const bool int8 = strcmp(h->precision, "int8") == 0;
    if (!h->converted || strcmp(asked, "auto") == 0 || strcmp(asked, h->precision) == 0 ||
        (strcmp(asked, "fp16") == 0 && !int8))
        return TAKE;
    yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the engine was converted to %s and %s is asked for", path, h->precision,
            asked);
    return LEAVE;
}

/* Opens the engine at c->path and judges it. */
static verdict open_engine(yk_compiled *c, const request *r, const char *named)
{
    verdict v;
    if (yk_model_refuse_engine(c->path) != YOLK_OK)
        return yk_model_is_foreign_engine(c->path) ? LEAVE : REPLACE;
    if (strcmp(r->config->head, "auto") != 0) {
        yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: an engine has its head, none can be given (--head)", c->path);
        return LEAVE;
    }
    if (yk_engine_open(c->path, &c->engine) != YOLK_OK)
        return REPLACE;
    const yk_engine_header *h = yk_engine_header_of(c->engine);
    v = judge_source(h, c->path, named, &c->source);
    if (v == TAKE)
        v = judge_precision(h, c->path, r->config->precision);
    if (v != TAKE) {
        yk_engine_close(&c->engine);
        yk_free(c->source);
        c->source = NULL;
        return v;
    }
    c->graph = h->graph;
    c->fixed_batch = h->fixed_batch;
    return TAKE;
}

/* ---- sources ---- */

static yolk_status open_source(yk_compiled *c, const request *r)
{
    const char *head = r->config->head;
    const yk_import_options options = {.head = strcmp(head, "auto") == 0 ? NULL : head};
    yolk_status status = yk_import_file(c->path, &options, &c->network);
    if (status != YOLK_OK)
        return status;
    yk_graph *g = c->graph = c->network;
    c->fixed_batch = yk_engine_fixed_batch(g);
    status = yk_graph_bind(g, YK_MAX(c->fixed_batch, 1), g->input_height, g->input_width);
    return status == YOLK_OK ? status : yk_fail_prefix(status, "%s: ", c->path);
}

/* ---- where what is compiled will be kept, if it can be ---- */

static yolk_status keep_at(yk_compiled *c, const char *engine)
{
    c->keep = yk_strdup(engine);
    return c->keep ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* Name of the engine that belongs to a model file. */
static char *engine_path(const char *path)
{
    return yk_format("%.*s.engine", (int)(strlen(path) - strlen(yk_extension(path))), path);
}

/* ---- all together ---- */

/* Takes the engine at `engine`, or the source that stands in for it, which is `named` when that was asked for. */
static yolk_status take_engine(yk_compiled *c, const request *r, const char *engine, const char *named)
{
    c->path = yk_strdup(engine);
    if (!c->path)
        return YOLK_ERROR_OUT_OF_MEMORY;
    const verdict v = open_engine(c, r, named);
    if (v == TAKE)
        return r->optimize ? keep_at(c, engine) : YOLK_OK;
    yolk_status status = yk_last_status();
    char *source = named ? yk_strdup(named) : NULL;
    if (status == YOLK_ERROR_OUT_OF_MEMORY)
        goto fail;
    if (!named) {
        /* Looking must not lose the sentence about the engine. */
        char *why = yk_strdup(yolk_last_error());
        yolk_status found = yk_model_find_source(r->config->models_dir, r->name, engine, &source);
        if (!why || found != YOLK_OK) {
            yk_free(why);
            status = YOLK_ERROR_OUT_OF_MEMORY;
            goto fail;
        }
        yk_fail(status, "%s%s", why,
                source || yk_model_is_foreign_engine(engine)
                    ? ""
                    : "; the .pt or .onnx that it could be made from is not there either");
        yk_free(why);
    }
    if (!source)
        goto fail;
    yk_log(YOLK_LOG_WARNING, "%s; it is passed over for %s", yolk_last_error(), source);
    yk_free(c->path);
    c->path = source;
    status = open_source(c, r);
    if (status == YOLK_OK && r->optimize && v == REPLACE)
        status = keep_at(c, engine);
    return status;
fail:
    yk_free(source);
    return status;
}

static yolk_status take_source(yk_compiled *c, const request *r, const char *path)
{
    char *engine = NULL;
    yolk_status status;
    if (r->optimize && yk_is_file(path)) {
        engine = engine_path(path);
        if (!engine)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    if (engine && yk_is_file(engine)) {
        status = take_engine(c, r, engine, path);
    } else {
        c->path = yk_strdup(path);
        status = c->path ? open_source(c, r) : YOLK_ERROR_OUT_OF_MEMORY;
        if (status == YOLK_OK && engine)
            status = keep_at(c, engine);
    }
    yk_free(engine);
    return status;
}

yolk_status yk_compiled_open(const char *name, const yolk_config *config, bool optimize, yk_compiled *out)
{
    const request r = {name, config, optimize};
    char *path;
    *out = (yk_compiled){0};
    yolk_status status = yk_model_find(config->models_dir, name, &path);
    if (status != YOLK_OK)
        return status;
    const bool engine = strcmp(yk_model_format(path), "engine") == 0;
    status = engine ? take_engine(out, &r, path, NULL) : take_source(out, &r, path);
    yk_free(path);
    if (status != YOLK_OK)
        yk_compiled_close(out);
    return status;
}
