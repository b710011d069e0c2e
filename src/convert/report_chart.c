/* Charts in SVG. They are drawn 400 wide, so that their text can be read where a phone shows them at that width. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/measure.h"
#include "convert/report.h"

enum { WIDTH = 400, HEIGHT = 230, LEFT = 46, RIGHT = 8, TOP = 18, BOTTOM = 30, BINS = 28 };

static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

double yk_chart_step(double range, int parts)
{
    if (!(range > 0) || !isfinite(range) || parts < 1)
        return 1;
    double power = pow(10, floor(log10(range / parts)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < YK_COUNT(steps); i++) {
        if (range / (steps[i] * power) <= parts + 1e-9)
            return steps[i] * power;
    }
    return 10 * power;
}

/* Decimals that a multiple of `step` needs. */
static int step_decimals(double step)
{
    int decimals = (int)ceil(-log10(step) - 1e-9);
    return YK_MAX(YK_MIN(decimals, 6), 0);
}

/* ---- SVG ---- */

static void attribute(yk_buffer *b, const char *name, double value)
{
    yk_buffer_format(b, " %s=\"", name);
    if (value < -0.005)
        yk_buffer_text(b, "-");
    yk_html_number(b, fabs(value), 2);
    yk_buffer_text(b, "\"");
}

static void line(yk_buffer *b, const char *kind, double x1, double y1, double x2, double y2)
{
    yk_buffer_format(b, "<line class=\"%s\"", kind);
    attribute(b, "x1", x1);
    attribute(b, "y1", y1);
    attribute(b, "x2", x2);
    attribute(b, "y2", y2);
    yk_buffer_text(b, "/>");
}

/* With what it stands for, which a browser shows where one points at it. */
static void rectangle(yk_buffer *b, const char *kind, double x, double y, double w, double h, const char *name,
                      double value, const char *unit)
{
    yk_buffer_format(b, "<rect class=\"%s\"", kind);
    attribute(b, "x", x);
    attribute(b, "y", y);
    attribute(b, "width", YK_MAX(w, 0));
    attribute(b, "height", YK_MAX(h, 0));
    yk_buffer_text(b, "><title>");
    yk_html_text(b, name);
    yk_buffer_text(b, ": ");
    yk_html_number(b, value, yk_html_decimals(value));
    yk_buffer_text(b, " ");
    yk_html_text(b, unit);
    yk_buffer_text(b, "</title></rect>");
}

static void begin_text(yk_buffer *b, const char *kind, const char *anchor, double x, double y)
{
    yk_buffer_format(b, "<text text-anchor=\"%s\"", anchor);
    if (kind)
        yk_buffer_format(b, " class=\"%s\"", kind);
    attribute(b, "x", x);
    attribute(b, "y", y);
    yk_buffer_text(b, ">");
}

static void text(yk_buffer *b, const char *anchor, double x, double y, const char *words)
{
    begin_text(b, NULL, anchor, x, y);
    yk_html_text(b, words);
    yk_buffer_text(b, "</text>");
}

static void number(yk_buffer *b, const char *kind, const char *anchor, double x, double y, double value, int decimals)
{
    begin_text(b, kind, anchor, x, y);
    yk_html_number(b, value, decimals);
    yk_buffer_text(b, "</text>");
}

static void begin_chart(yk_buffer *b, const yk_chart *c)
{
    yk_buffer_text(b, "<figure><figcaption>");
    yk_html_text(b, c->title);
    if (c->note) {
        yk_buffer_text(b, "<small>");
        yk_html_text(b, c->note);
        yk_buffer_text(b, "</small>");
    }
    yk_buffer_format(b, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    yk_html_text(b, c->title);
    yk_buffer_text(b, "\">");
}

static void end_chart(yk_buffer *b, const char *const *names, int count)
{
    yk_buffer_text(b, "</svg>\n");
    if (names) {
        yk_buffer_text(b, "<div class=\"key\">");
        for (int i = 0; i < count; i++) {
            yk_buffer_format(b, "<span><i class=\"k%d\"></i>", i);
            yk_html_text(b, names[i]);
            yk_buffer_text(b, "</span>");
        }
        yk_buffer_text(b, "</div>");
    }
    yk_buffer_text(b, "</figure>\n");
}

/* ---- axes ---- */

typedef struct axis {
    double low, high;
} axis;

static double along_x(const axis *a, double value)
{
    return LEFT + (value - a->low) / (a->high - a->low) * plot_width;
}

static double along_y(const axis *a, double value)
{
    return TOP + plot_height - (value - a->low) / (a->high - a->low) * plot_height;
}

/* Lines and figures up the side, from `low` to what is above `high`; a `least_step` of 1 is for what is counted. */
static axis draw_y(yk_buffer *b, double low, double high, double least_step, const char *unit)
{
    const double range = high > low ? high - low : 1, step = YK_MAX(yk_chart_step(range, 5), least_step);
    axis a = {low == 0 ? 0 : floor(low / step) * step, ceil((low + range) / step - 1e-9) * step};
    const int steps = (int)lround((a.high - a.low) / step);
    for (int i = 0; i <= steps; i++) {
        double value = a.low + i * step, y = along_y(&a, value);
        line(b, "g", LEFT, y, WIDTH - RIGHT, y);
        number(b, NULL, "end", LEFT - 6, y + 4, value, step_decimals(step));
    }
    text(b, "start", 2, 9, unit);
    return a;
}

static axis draw_x(yk_buffer *b, double low, double high, double least_step, const char *unit)
{
    const axis a = {low, high > low ? high : low + 1};
    const double step = YK_MAX(yk_chart_step(a.high - a.low, 6), least_step);
    const int first = (int)ceil(a.low / step - 1e-9), last = (int)floor(a.high / step + 1e-9);
    for (int i = first; i <= last && i - first < 20; i++) {
        double x = along_x(&a, i * step);
        line(b, "g", x, TOP + plot_height, x, TOP + plot_height + 4);
        number(b, NULL, "middle", x, TOP + plot_height + 16, i * step, step_decimals(step));
    }
    line(b, "x", LEFT, TOP + plot_height, WIDTH - RIGHT, TOP + plot_height);
    text(b, "end", WIDTH - RIGHT, HEIGHT - 2, unit);
    return a;
}

static void draw_label(yk_buffer *b, int index, int count, const char *label)
{
    text(b, "middle", LEFT + (index + 0.5) * plot_width / count, TOP + plot_height + 16, label);
}

/* What the labels below are of. */
static void draw_x_name(yk_buffer *b, const char *name)
{
    line(b, "x", LEFT, TOP + plot_height, WIDTH - RIGHT, TOP + plot_height);
    if (name)
        text(b, "end", WIDTH - RIGHT, HEIGHT - 2, name);
}

/* ---- charts ---- */

void yk_chart_bars(yk_buffer *b, const yk_chart *c, const yk_bar *bars, int count)
{
    static const char *const kinds[] = {"f0", "f1"};
    double most = 0;
    for (int i = 0; i < count; i++)
        most = YK_MAX(most, YK_MAX(bars[i].value, bars[i].high));
    begin_chart(b, c);
    axis y = draw_y(b, 0, most * 1.06, 0, c->unit);
    for (int i = 0; i < count; i++) {
        const yk_bar *bar = &bars[i];
        const double room = plot_width / count, w = YK_MIN(room * 0.62, 64), middle = LEFT + (i + 0.5) * room;
        const double top = along_y(&y, bar->value);
        rectangle(b, kinds[bar->color & 1], middle - w / 2, top, w, TOP + plot_height - top, bar->label, bar->value,
                  c->unit);
        double above = top;
        if (bar->high > 0) {
            const double arm = YK_MIN(w / 4, 7), high = along_y(&y, bar->high), low = along_y(&y, bar->low);
            line(b, "w", middle, low, middle, high);
            line(b, "w", middle - arm / 2, high, middle + arm / 2, high);
            line(b, "w", middle - arm / 2, low, middle + arm / 2, low);
            if (bar->tick > 0)
                line(b, "w", middle - arm, along_y(&y, bar->tick), middle + arm, along_y(&y, bar->tick));
            above = YK_MIN(top, high);
        }
        number(b, "v", "middle", middle, above - 5, bar->value, yk_html_decimals(bar->value));
        draw_label(b, i, count, bar->label);
    }
    draw_x_name(b, c->across);
    end_chart(b, NULL, 0);
}

void yk_chart_stacks(yk_buffer *b, const yk_chart *c, const yk_stack *stacks, int count, const char *const *names,
                     int parts)
{
    static const char *const kinds[] = {"f0", "f1", "f2", "f3"};
    double most = 0;
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int p = 0; p < parts; p++)
            sum += stacks[i].parts[p];
        most = YK_MAX(most, sum);
    }
    begin_chart(b, c);
    axis y = draw_y(b, 0, most * 1.06, 0, c->unit);
    for (int i = 0; i < count; i++) {
        const double room = plot_width / count, w = YK_MIN(room * 0.62, 64), x = LEFT + (i + 0.5) * room - w / 2;
        double sum = 0;
        for (int p = 0; p < parts; p++) {
            const double from = along_y(&y, sum), to = along_y(&y, sum + stacks[i].parts[p]);
            rectangle(b, kinds[p % 4], x, to, w, from - to, names[p], stacks[i].parts[p], c->unit);
            sum += stacks[i].parts[p];
        }
        number(b, "v", "middle", x + w / 2, along_y(&y, sum) - 5, sum, yk_html_decimals(sum));
        draw_label(b, i, count, stacks[i].label);
    }
    draw_x_name(b, c->across);
    end_chart(b, names, parts);
}

static void limits(const double *values, int count, double *least, double *most)
{
    for (int i = 0; i < count; i++) {
        *least = YK_MIN(*least, values[i]);
        *most = YK_MAX(*most, values[i]);
    }
}

/* A few runs far out would press all others into one bin: what lies beyond four times the mean distance from the
 * fastest is counted in the last one. */
static double cut_off(const double *const *values, const int *counts, int series, double least, double most)
{
    double sum = 0;
    int n = 0;
    for (int s = 0; s < series; s++) {
        n += counts[s];
        for (int i = 0; i < counts[s]; i++)
            sum += values[s][i];
    }
    double limit = n > 0 ? least + 4 * (sum / n - least) : most;
    return limit > least && limit < most ? limit : most;
}

static double median_of(yk_buffer *b, const double *values, int count)
{
    yolk_times times;
    if (yk_times_make(values, count, &times) != YOLK_OK)
        b->failed = true;
    return times.p50;
}

void yk_chart_histogram(yk_buffer *b, const yk_chart *c, const double *const *values, const int *counts, int series,
                        const char *const *names)
{
    static const char *const kinds[] = {"h0", "h1"}, *const marks[] = {"m0", "m1"};
    int bins[2][BINS] = {{0}}, most_often = 1;
    double least = INFINITY, most = -INFINITY;
    for (int s = 0; s < series; s++)
        limits(values[s], counts[s], &least, &most);
    if (!(most > least)) {
        least = isfinite(least) ? least - 0.5 : 0;
        most = least + 1;
    }
    most = cut_off(values, counts, series, least, most);
    for (int s = 0; s < series; s++) {
        for (int i = 0; i < counts[s]; i++) {
            double place = (values[s][i] - least) / (most - least) * BINS;
            int bin = place < BINS - 1 ? (int)place : BINS - 1;
            bins[s][bin]++;
            most_often = YK_MAX(most_often, bins[s][bin]);
        }
    }
    begin_chart(b, c);
    axis y = draw_y(b, 0, most_often, 1, "runs"), x = draw_x(b, least, most, 0, c->unit);
    for (int s = 0; s < series; s++) {
        for (int i = 0; i < BINS; i++) {
            const double w = plot_width / BINS, top = along_y(&y, bins[s][i]);
            if (bins[s][i] > 0)
                rectangle(b, kinds[s], LEFT + i * w + 0.5, top, w - 1, TOP + plot_height - top,
                          names ? names[s] : "runs", bins[s][i], "");
        }
    }
    for (int s = 0; s < series; s++) {
        const double at = along_x(&x, median_of(b, values[s], counts[s]));
        line(b, marks[s], at, TOP, at, TOP + plot_height);
    }
    end_chart(b, names, series);
}

void yk_chart_scatter(yk_buffer *b, const yk_chart *c, const yolk_score_pair *pairs, size_t count, const char *x_name,
                      const char *y_name)
{
    begin_chart(b, c);
    axis y = draw_y(b, 0, 1, 0, y_name), x = draw_x(b, 0, 1, 0, x_name);
    line(b, "w", along_x(&x, 0), along_y(&y, 0), along_x(&x, 1), along_y(&y, 1));
    for (size_t i = 0; i < count; i++) {
        bool both = pairs[i].a > 0 && pairs[i].b > 0;
        yk_buffer_format(b, "<circle class=\"%s\" r=\"2.5\"", both ? "p" : "n");
        attribute(b, "cx", along_x(&x, (double)pairs[i].a));
        attribute(b, "cy", along_y(&y, (double)pairs[i].b));
        yk_buffer_text(b, "/>");
    }
    end_chart(b, NULL, 0);
}

void yk_chart_points(yk_buffer *b, const yk_chart *c, const double *values, int count, double middle, double low,
                     double high)
{
    double least = low, most = high;
    limits(values, count, &least, &most);
    begin_chart(b, c);
    axis y = draw_y(b, least, most, 0, c->unit), x = draw_x(b, 0, YK_MAX(count, 1), 1, "round");
    yk_buffer_text(b, "<rect class=\"band\"");
    attribute(b, "x", LEFT);
    attribute(b, "y", along_y(&y, high));
    attribute(b, "width", plot_width);
    attribute(b, "height", along_y(&y, low) - along_y(&y, high));
    yk_buffer_text(b, "/>");
    line(b, "m0", LEFT, along_y(&y, middle), WIDTH - RIGHT, along_y(&y, middle));
    for (int i = 0; i < count; i++) {
        yk_buffer_text(b, "<circle class=\"p\" r=\"3\"");
        attribute(b, "cx", along_x(&x, i + 0.5));
        attribute(b, "cy", along_y(&y, values[i]));
        yk_buffer_text(b, "/>");
    }
    end_chart(b, NULL, 0);
}
