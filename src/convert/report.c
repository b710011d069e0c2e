/* HTML: text, numbers, tables and the page around them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/report.h"

/* ---- text ---- */

void yk_html_text(yk_buffer *b, const char *text)
{
    yk_buffer_text(b, "");
    while (*text) {
        const char *start = text;
        uint32_t c = yk_utf8_next(&text);
        if (c == '&')
            yk_buffer_text(b, "&amp;");
        else if (c == '<')
            yk_buffer_text(b, "&lt;");
        else if (c == '>')
            yk_buffer_text(b, "&gt;");
        else if (c == '"')
            yk_buffer_text(b, "&quot;");
        else if (c == '\'')
            yk_buffer_text(b, "&#39;");
        else if (c == 0xfffd || (c < ' ' && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0))
            yk_buffer_text(b, "\xef\xbf\xbd"); /* HTML knows no control characters */
        else
            yk_buffer_add(b, start, (size_t)(text - start));
    }
}

void yk_html_number(yk_buffer *b, double value, int decimals)
{
    double power = pow(10, decimals), scaled = round(fabs(value) * power);
    if (!(scaled < 9e15)) {
        yk_buffer_text(b, "-");
        return;
    }
    unsigned long long all = (unsigned long long)scaled, one = (unsigned long long)power;
    if (value < 0 && all > 0)
        yk_buffer_text(b, "\xe2\x88\x92"); /* minus sign */
    yk_buffer_format(b, "%llu", all / one);
    if (decimals > 0)
        yk_buffer_format(b, ".%0*llu", decimals, all % one);
}

int yk_html_decimals(double value)
{
    double size = fabs(value);
    if (size == round(size))
        return 0;
    return size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
}

void yk_html_bytes(yk_buffer *b, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < YK_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    yk_html_number(b, value, unit > 0 && value < 100 ? 1 : 0);
    yk_buffer_format(b, " %s", units[unit]);
}

/* ---- the page ---- */

static const char style[] =
    ":root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#1b1f27;--soft:#5c6675;--line:#dfe3ea;"
    "--a:#2f66d0;--b:#d9730d;--a2:#8db0f0;--c:#3f8f6b;--d:#9a6bc9;--band:#2f66d01f}"
    "@media (prefers-color-scheme:dark){:root{--paper:#14171c;--card:#1c2027;--ink:#e7eaf0;--soft:#9aa5b5;"
    "--line:#323944;--a:#7aa5f5;--b:#f0a04b;--a2:#3f5f99;--c:#6cc39b;--d:#bd97e6;--band:#7aa5f526}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"Helvetica Neue\",Arial,sans-serif;-webkit-text-size-adjust:100%}"
    "main{max-width:1200px;margin:0 auto;padding:28px 20px 48px}"
    "h1{font-size:1.65rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:1.15rem;margin:36px 0 4px}"
    "p{margin:0 0 10px;color:var(--soft);max-width:75ch}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0 8px}"
    ".tile,figure,.scroll{background:var(--card);border:1px solid var(--line);border-radius:10px}"
    ".tile{padding:12px 14px}"
    ".tile b{display:block;font-size:1.55rem;font-weight:650;line-height:1.2;font-variant-numeric:tabular-nums}"
    ".tile b small{font-size:.9rem;font-weight:500;color:var(--soft)}"
    ".tile span{display:block;font-size:.82rem;color:var(--soft)}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px;margin:12px 0}"
    "figure{margin:0;padding:14px 14px 10px;break-inside:avoid}"
    "figcaption{font-weight:600;margin-bottom:6px}"
    "figcaption small{display:block;font-weight:400;font-size:.82rem;color:var(--soft)}"
    "svg{display:block;width:100%;height:auto;max-width:560px;margin:0 auto;overflow:visible}"
    "svg text{font-size:11px;fill:var(--soft);font-family:inherit}"
    "svg .v{fill:var(--ink);font-weight:600}"
    ".g{stroke:var(--line);stroke-width:1}.x{stroke:var(--soft);stroke-width:1}"
    ".w{stroke:var(--ink);stroke-width:1.3;opacity:.75}"
    ".f0{fill:var(--a)}.f1{fill:var(--b)}.f2{fill:var(--c)}.f3{fill:var(--d)}"
    ".h0{fill:var(--a);opacity:.75}.h1{fill:var(--b);opacity:.6}"
    ".m0{stroke:var(--a)}.m1{stroke:var(--b)}.m0,.m1{stroke-width:2;stroke-dasharray:4 3}"
    ".p{fill:var(--a);opacity:.55}.n{fill:var(--b);opacity:.75}.band{fill:var(--band)}"
    ".key{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:.82rem;color:var(--soft);margin-top:4px}"
    ".key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}"
    ".k0{background:var(--a)}.k1{background:var(--b)}.k2{background:var(--c)}.k3{background:var(--d)}"
    ".scroll{overflow-x:auto;margin:12px 0}"
    "table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}"
    "th,td{padding:7px 9px;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}"
    "thead th{border-top:0;color:var(--soft);font-weight:600;vertical-align:bottom}"
    "th.l,td.l{text-align:left}"
    ".facts th{color:var(--soft);font-weight:500;text-align:left;vertical-align:top;width:1%}"
    ".facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}"
    ".facts tr:first-child th,.facts tr:first-child td{border-top:0}"
    "footer{margin-top:32px;font-size:.82rem;color:var(--soft)}"
    "@media (max-width:520px){main{padding:18px 12px 32px}h1{font-size:1.35rem}figure{padding:12px 8px 8px}"
    "figcaption{padding:0 4px}.tile b{font-size:1.3rem}.tiles{grid-template-columns:repeat(2,1fr)}}"
    "@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--a:#2f66d0;"
    "--b:#d9730d;--a2:#8db0f0;--c:#3f8f6b;--d:#9a6bc9;--band:#2f66d01f}body{font-size:11px}main{max-width:none;"
    "padding:0}.scroll{overflow:visible}th,td{padding:4px 6px}.charts{grid-template-columns:1fr 1fr}h2{break-after:"
    "avoid}.tile,figure,tr{break-inside:avoid}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

void yk_html_begin(yk_buffer *b, const char *kind, const char *subject, const yolk_bench_machine *machine)
{
    yk_buffer_text(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                      "content=\"width=device-width,initial-scale=1\">\n<title>");
    yk_html_text(b, kind);
    yk_buffer_text(b, ": ");
    yk_html_text(b, subject);
    yk_buffer_text(b, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>");
    yk_buffer_text(b, style);
    yk_buffer_text(b, "</style>\n</head>\n<body>\n<main>\n<h1>");
    yk_html_text(b, kind);
    yk_buffer_text(b, ": ");
    yk_html_text(b, subject);
    yk_buffer_text(b, "</h1>\n<p>");
    yk_html_text(b, *machine->processor ? machine->processor : "unknown processor");
    yk_buffer_format(b, ", %d core%s, <time>", machine->cores, machine->cores == 1 ? "" : "s");
    yk_html_text(b, machine->when);
    yk_buffer_text(b, "</time></p>\n");
}

void yk_html_end(yk_buffer *b, const yolk_bench_machine *machine, double seconds)
{
    yk_buffer_text(b, "<footer>Measured by yolk ");
    yk_html_text(b, machine->version);
    yk_buffer_text(b, " in ");
    yk_html_number(b, seconds, seconds < 10 ? 1 : 0);
    yk_buffer_text(b, " s.</footer>\n</main>\n</body>\n</html>\n");
}

yolk_status yk_html_write(yk_buffer *b, const char *path)
{
    yolk_status status = yk_buffer_status(b);
    if (status == YOLK_OK)
        status = yk_write_file(path, b->data, b->size);
    yk_buffer_free(b);
    return status;
}

/* ---- parts of it ---- */

void yk_html_tile(yk_buffer *b, const char *name, double value, int decimals, const char *unit, const char *note)
{
    yk_buffer_text(b, "<div class=\"tile\"><span>");
    yk_html_text(b, name);
    yk_buffer_text(b, "</span><b>");
    yk_html_number(b, value, decimals);
    yk_buffer_text(b, " <small>");
    yk_html_text(b, unit);
    yk_buffer_text(b, "</small></b>");
    if (note) {
        yk_buffer_text(b, "<span>");
        yk_html_text(b, note);
        yk_buffer_text(b, "</span>");
    }
    yk_buffer_text(b, "</div>\n");
}

void yk_html_section(yk_buffer *b, const char *title, const char *note)
{
    yk_buffer_text(b, "<h2>");
    yk_html_text(b, title);
    yk_buffer_text(b, "</h2>\n");
    if (!note)
        return;
    yk_buffer_text(b, "<p>");
    yk_html_text(b, note);
    yk_buffer_text(b, "</p>\n");
}

void yk_html_table_begin(yk_buffer *b, const char *const *columns, int count, unsigned left)
{
    yk_buffer_text(b, "<div class=\"scroll\"><table><thead><tr>");
    for (int i = 0; i < count; i++) {
        yk_buffer_text(b, left >> i & 1 ? "<th class=\"l\">" : "<th>");
        yk_html_text(b, columns[i]);
        yk_buffer_text(b, "</th>");
    }
    yk_buffer_text(b, "</tr></thead><tbody>\n");
}

void yk_html_table_end(yk_buffer *b)
{
    yk_buffer_text(b, "</tbody></table></div>\n");
}

void yk_html_cell(yk_buffer *b, const char *text)
{
    yk_buffer_text(b, "<td class=\"l\">");
    yk_html_text(b, text);
    yk_buffer_text(b, "</td>");
}

void yk_html_cell_number(yk_buffer *b, double value, int decimals)
{
    yk_buffer_text(b, "<td>");
    yk_html_number(b, value, decimals);
    yk_buffer_text(b, "</td>");
}

void yk_html_cell_bytes(yk_buffer *b, uint64_t bytes)
{
    yk_buffer_text(b, "<td>");
    yk_html_bytes(b, bytes);
    yk_buffer_text(b, "</td>");
}

void yk_html_fact(yk_buffer *b, const char *name, const char *text)
{
    yk_buffer_text(b, "<tr><th>");
    yk_html_text(b, name);
    yk_buffer_text(b, "</th><td>");
    yk_html_text(b, *text ? text : "-");
    yk_buffer_text(b, "</td></tr>\n");
}

void yk_html_model(yk_buffer *b, const yolk_bench_model *m)
{
    yk_html_fact(b, "File", m->path);
    yk_buffer_text(b, "<tr><th>Size</th><td>");
    yk_html_bytes(b, m->file_bytes);
    yk_buffer_text(b, ", ");
    yk_html_number(b, (double)m->parameters / 1e6, 2);
    yk_buffer_format(b, " million weights, %d class%s</td></tr>\n", m->class_count, m->class_count == 1 ? "" : "es");
    yk_html_fact(b, "Format", m->format);
    if (*m->family)
        yk_html_fact(b, "Family", m->family);
    yk_buffer_text(b, "<tr><th>Computed in</th><td>");
    yk_html_text(b, m->precision);
    yk_buffer_text(b, " by ");
    yk_html_text(b, m->backend);
    yk_buffer_text(b, " on ");
    yk_html_text(b, m->device);
    yk_buffer_text(b, "</td></tr>\n");
    if (*m->check)
        yk_html_fact(b, "Checked", m->check);
}

void yk_html_machine(yk_buffer *b, const yolk_bench_machine *m)
{
    yk_html_fact(b, "Processor", m->processor);
    yk_buffer_format(b, "<tr><th>Cores</th><td>%d</td></tr>\n<tr><th>Memory</th><td>", m->cores);
    yk_html_bytes(b, m->memory_bytes);
    yk_buffer_text(b, "</td></tr>\n");
}
