/* The report of a comparison with the memory that it points into. */
#ifndef YK_COMPARE_H
#define YK_COMPARE_H

#include "convert/measure.h"

typedef struct yk_compare_report {
    yolk_compare_report public;
    yk_texts texts;
    yolk_score_pair *scores;
    size_t score_capacity;
} yk_compare_report;

yolk_status yk_compare_finish(yk_compare_report *r); /* writes its JSON */

#endif
