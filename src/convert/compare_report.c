/* The report of a comparison as JSON, and its end. */
#include "convert/compare.h"

static json_t *side_json(const yolk_compare_side *s, yolk_check_kind check)
{
    json_t *side = json_pack(
        "{s:o, s:o, s:f, s:f, s:f, s:i, s:o, s:o, s:f, s:I, s:o}", "model", yk_json_model(&s->model), "input",
        yk_json_size(s->input), "load_ms", s->load_ms, "prepare_ms", s->prepare_ms, "first_ms", s->first_ms, "runs",
        s->call.runs, "call_ms", yk_json_times(&s->call), "network_ms", yk_json_times(&s->network), "fps", s->fps,
        "memory_added_bytes", (json_int_t)s->memory_added, "calls_ms", yk_json_numbers(s->calls_ms, s->call.runs));
    int lost = 0;
    if (check != YOLK_CHECK_NONE)
        lost |= json_object_set_new(side, "boxes", json_integer(s->boxes));
    if (check == YOLK_CHECK_PRECISION) {
        lost |= json_object_set_new(side, "ap50_95", json_real(s->ap));
        lost |= json_object_set_new(side, "ap50", json_real(s->ap50));
    }
    if (lost == 0)
        return side;
    json_decref(side);
    return NULL;
}

yolk_status yk_compare_finish(yk_compare_report *r)
{
    const yolk_compare_report *p = &r->public;
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:o, s:i, s:b, s:o, s:o, s:{s:f, s:f, s:f, s:I, s:o}, s:f}", "kind", "comparison", "yolk",
        p->machine.version, "when", p->machine.when, "machine", yk_json_machine(&p->machine), "batch", p->batch, "cut",
        p->cut, "a", side_json(&p->a, p->check), "b", side_json(&p->b, p->check), "speedup", "median", p->speedup,
        "low", p->speedup_low, "high", p->speedup_high, "rounds", (json_int_t)p->ratio_count, "ratios",
        yk_json_numbers(p->ratios, (int)p->ratio_count), "seconds", p->seconds);
    if (root && p->check != YOLK_CHECK_NONE) {
        json_t *found =
            json_pack("{s:o, s:i, s:i, s:f, s:f}", "pictures", yk_json_text(p->val), "count", p->pictures, "boxes",
                      p->boxes, "agreement", p->agreement, "score_difference", p->score_difference);
        if (json_object_set_new(root, "found", found) != 0) {
            json_decref(root);
            root = NULL;
        }
    }
    return yk_json_keep(&r->texts, root, &r->public.json);
}

void yolk_compare_report_destroy(yolk_compare_report **report)
{
    yk_compare_report *r = (yk_compare_report *)*report;
    *report = NULL;
    if (!r)
        return;
    yk_texts_free(&r->texts);
    yk_free(r->scores);
    yk_free(r);
}
