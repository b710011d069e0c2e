/* The settings of an ensemble that are written as text. */
#ifndef YK_ENSEMBLE_H
#define YK_ENSEMBLE_H

#include <stdbool.h>

enum { YK_ENSEMBLE_MODELS = 8 };

/* "2,1": what each model counts, above 0. Returns how many there are, 0 for "", -1 when that is not what it says. */
int yk_ensemble_weights(const char *text, float weights[YK_ENSEMBLE_MODELS]);

/* Votes that an object needs among `models`: a number, or affirmative (one), consensus (more than half), unanimous
 * (all). -1 when that is not what it says; a number may be more than `models`. */
int yk_ensemble_votes(const char *text, int models);

#endif
