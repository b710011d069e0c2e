/* Every model of a folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/job.h"
#include "convert/record.h"

typedef struct folder_report {
    yolk_folder_report public;
    yolk_folder_item *items;
    size_t capacity;
    char *output;
} folder_report;

typedef struct folder {
    const yolk_convert_options *given;
    yolk_convert_options options; /* the same with our progress */
    const char *path;
    folder_report *report;
    yk_record record;
    char key[65];
    bool same; /* sources and results lie in one folder */
    uint64_t start_ns;
    double done, total; /* bytes of sources */
    double part;        /* of them those of the model under way */
    size_t current;
} folder;

static const char *ending_of(yolk_target target)
{
    return target == YOLK_TARGET_ENGINE || target == YOLK_TARGET_TENSORRT ? ".engine" : ".onnx";
}

static void free_item(yolk_folder_item *item)
{
    yk_free((void *)item->name);
    yk_free((void *)item->source);
    yk_free((void *)item->destination);
    yk_free((void *)item->error);
    yk_free((void *)item->check);
}

void yolk_folder_report_destroy(yolk_folder_report **report)
{
    folder_report *r = (folder_report *)*report;
    *report = NULL;
    if (!r)
        return;
    for (size_t i = 0; i < r->public.count; i++)
        free_item(&r->items[i]);
    yk_free(r->items);
    yk_free(r->output);
    yk_free(r);
}

/* ---- what there is to do ---- */

/* How good a source a file is; 0: none. A checkpoint knows more than what was exported from it. */
static int rank(const char *name)
{
    const char *ending = yk_extension(name);
    return yk_equal_ignoring_case(ending, ".pt") ? 2 : yk_equal_ignoring_case(ending, ".onnx");
}

static yolk_folder_item *find_item(folder_report *r, const char *name)
{
    for (size_t i = 0; i < r->public.count; i++) {
        if (strcmp(r->items[i].name, name) == 0)
            return &r->items[i];
    }
    return NULL;
}

/* Takes `value` over; NULL where memory was short. */
static yolk_status set_text(const char **text, const char *value)
{
    if (!value)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_free((void *)*text);
    *text = value;
    return YOLK_OK;
}

static yolk_status add_item(folder *f, char *name)
{
    folder_report *r = f->report;
    yolk_status status = yk_grow(&r->items, &r->capacity, r->public.count + 1, sizeof *r->items);
    if (status != YOLK_OK) {
        yk_free(name);
        return status;
    }
    yolk_folder_item *item = &r->items[r->public.count++];
    r->public.items = r->items;
    *item = (yolk_folder_item){.name = name, .precision = f->options.precision};
    char *file = yk_format("%s%s", name, ending_of(f->options.target));
    if (file)
        status = set_text(&item->destination, yk_path_join(r->output, file));
    yk_free(file);
    if (file && status == YOLK_OK)
        status = set_text(&item->error, yk_strdup(""));
    if (file && status == YOLK_OK)
        status = set_text(&item->check, yk_strdup(""));
    return file ? status : YOLK_ERROR_OUT_OF_MEMORY;
}

static yolk_status add_file(folder *f, const char *name)
{
    char *path = yk_path_join(f->path, name), *stem = yk_path_stem(name);
    yolk_status status = path && stem ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    /* What this made earlier is no source. */
    if (status != YOLK_OK || !yk_is_file(path) || (f->same && yk_record_has(&f->record, name)))
        goto end;
    yolk_folder_item *item = find_item(f->report, stem);
    if (!item) {
        status = add_item(f, stem);
        stem = NULL;
        item = status == YOLK_OK ? &f->report->items[f->report->public.count - 1] : NULL;
    }
    if (item && (!item->source || rank(item->source) < rank(name))) {
        status = set_text(&item->source, path);
        path = NULL;
    }
end:
    yk_free(path);
    yk_free(stem);
    return status;
}

static int by_name(const void *a, const void *b)
{
    const yolk_folder_item *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static yolk_status list_models(folder *f)
{
    char **names = NULL;
    size_t count = 0;
    yolk_status status = yk_list_directory(f->path, &names, &count);
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        if (rank(names[i]) > 0)
            status = add_file(f, names[i]);
    }
    yk_names_free(names);
    folder_report *r = f->report;
    if (status == YOLK_OK && r->public.count == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: there is no .pt or .onnx file in this folder", f->path);
    if (r->public.count > 0)
        qsort(r->items, r->public.count, sizeof *r->items, by_name);
    return status;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static yolk_status prepare_output(folder *f, const char *output)
{
    char *made = output ? yk_strdup(output)
                        : yk_format("%s/%s-%s", f->path, yolk_target_name(f->options.target),
                                    yolk_precision_name(f->options.precision));
    if (!made)
        return YOLK_ERROR_OUT_OF_MEMORY;
    f->report->output = made;
    f->report->public.output = made;
    if (mkdir(made, 0777) != 0 && errno != EEXIST)
        return yk_fail_errno(errno, "%s: this folder cannot be made", made);
    if (!yk_is_directory(made))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: this is a file; the results of a folder need a folder", made);
    yk_atomic_sweep(made);
    f->same = same_file(f->path, made);
    return YOLK_OK;
}

/* ---- doing it ---- */

static int tell(void *user, const yolk_convert_progress *p)
{
    folder *f = user;
    yolk_convert_progress whole = *p;
    if (!f->given->progress)
        return 0;
    whole.fraction = f->total > 0 ? YK_MIN((f->done + f->part * p->fraction) / f->total, 1) : 0;
    whole.seconds = (double)(yk_now_ns() - f->start_ns) / 1e9;
    whole.eta = whole.fraction > 0.02 ? whole.seconds / whole.fraction - whole.seconds : -1;
    whole.index = (int)f->current;
    whole.count = (int)f->report->public.count;
    return f->given->progress(f->given->user, &whole);
}

static double size_of(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 ? (double)s.st_size + 1 : 1;
}

/* Which results are there and right; the rest is the work. */
static yolk_status look_at_results(folder *f)
{
    for (size_t i = 0; i < f->report->public.count; i++) {
        yolk_folder_item *item = &f->report->items[i];
        const char *check;
        item->unchanged = yk_record_matches(&f->record, f->key, item, &check);
        yolk_status status = item->unchanged ? set_text(&item->check, yk_strdup(check)) : YOLK_OK;
        if (status != YOLK_OK)
            return status;
        f->total += item->unchanged ? 0 : size_of(item->source);
    }
    return YOLK_OK;
}

static yolk_status convert_item(folder *f, yolk_folder_item *item)
{
    yolk_convert_report *made = NULL;
    if (same_file(item->source, item->destination))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s would replace the model that it is made from; name another folder for the results",
                       item->destination);
    if (f->same && yk_is_file(item->destination) && !yk_record_has(&f->record, item->destination))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s is there already and was not made from %s; name another folder for the results",
                       item->destination, item->source);
    const uint64_t start = yk_now_ns();
    yk_look before;
    yk_look_at(item->source, &before);
    yolk_status status = yolk_convert(item->source, item->destination, &f->options, &made);
    item->seconds = (double)(yk_now_ns() - start) / 1e9;
    if (made) {
        item->bytes = status == YOLK_OK ? made->bytes : 0;
        item->speed_up = made->ms > 0 ? made->source_ms / made->ms : 0;
        yolk_status copied = set_text(&item->check, yk_strdup(made->text));
        status = status == YOLK_OK ? copied : status;
    }
    if (status == YOLK_OK)
        status = yk_record_keep(&f->record, f->key, &before, item);
    yolk_convert_report_destroy(&made);
    return status;
}

static yolk_status note_failure(yolk_folder_item *item, yolk_status status, const char *sentence)
{
    item->status = status;
    return set_text(&item->error, yk_strdup(sentence));
}

/* After these the next model would not fare better. */
static bool ends_all(yolk_status status)
{
    return status == YOLK_ERROR_CANCELED || status == YOLK_ERROR_NO_SPACE;
}

static yolk_status convert_all(folder *f)
{
    yolk_folder_report *r = &f->report->public;
    yolk_status ended = YOLK_OK, status = YOLK_OK;
    for (size_t i = 0; i < r->count && status == YOLK_OK; i++) {
        yolk_folder_item *item = &f->report->items[i];
        f->current = i;
        f->part = item->unchanged ? 0 : size_of(item->source);
        if (item->unchanged) {
            r->unchanged++;
        } else if (ended != YOLK_OK) {
            status = note_failure(item, ended, "not begun");
            r->failed++;
        } else {
            yolk_status own = convert_item(f, item);
            r->made += own == YOLK_OK;
            r->failed += own != YOLK_OK;
            if (own != YOLK_OK)
                status = note_failure(item, own, yolk_last_error());
            ended = ends_all(own) ? own : YOLK_OK;
        }
        f->done += f->part;
    }
    return status;
}

static yolk_status first_failure(const folder *f)
{
    for (size_t i = 0; i < f->report->public.count; i++) {
        const yolk_folder_item *item = &f->report->items[i];
        if (item->status != YOLK_OK)
            return yk_fail(item->status, "%s", item->error);
    }
    return YOLK_OK;
}

yolk_status yolk_convert_folder(const char *path, const char *output, const yolk_convert_options *options,
                                yolk_folder_report **report)
{
    yolk_convert_options given;
    folder f = {.given = &given, .path = path, .start_ns = yk_now_ns()};
    if (report)
        *report = NULL;
    if (!path)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a conversion needs a folder");
    yolk_status status = yk_convert_options_take(options, &given);
    if (status != YOLK_OK)
        return status;
    given.target = given.target == YOLK_TARGET_AUTO ? YOLK_TARGET_ONNX : given.target;
    f.options = given;
    f.options.progress = tell;
    f.options.user = &f;
    f.report = yk_calloc(1, sizeof *f.report);
    if (!f.report)
        return YOLK_ERROR_OUT_OF_MEMORY;
    f.report->public.output = "";
    if (!yk_is_directory(path))
        status = yk_fail(YOLK_ERROR_NOT_FOUND, "%s: there is no such folder", path);
    if (status == YOLK_OK)
        status = prepare_output(&f, output);
    if (status == YOLK_OK)
        status = yk_record_open(f.report->output, &f.record);
    if (status == YOLK_OK)
        status = yk_record_key(&given, f.key);
    if (status == YOLK_OK)
        status = list_models(&f);
    if (status == YOLK_OK)
        status = look_at_results(&f);
    const bool looked = status == YOLK_OK;
    if (looked)
        status = convert_all(&f);
    if (status == YOLK_OK)
        status = first_failure(&f);
    f.report->public.seconds = (double)(yk_now_ns() - f.start_ns) / 1e9;
    yk_record_close(&f.record);
    yolk_folder_report *made = &f.report->public;
    if (report && looked)
        *report = made;
    else
        yolk_folder_report_destroy(&made);
    return status;
}
