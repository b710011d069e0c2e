/* Text from a file that may hold anything. */
#include "import/onnx_model.h"

#include <string.h>

size_t yk_utf8_length(const uint8_t *s, size_t size)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > size)
        return 0;
    if (n == 1)
        return 1;
    uint32_t code = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[n] || surrogate || code > 0x10ffff ? 0 : n;
}

yk_onnx_text yk_onnx_text_of(yk_span s)
{
    yk_onnx_text out;
    size_t size = 0, n;
    for (size_t i = 0; i < s.size; i += n) {
        n = yk_utf8_length(s.data + i, s.size - i);
        bool plain = n > 1 || (n == 1 && s.data[i] >= 0x20 && s.data[i] != 0x7f);
        if (size + YK_MAX(n, 1) >= sizeof out.text)
            break;
        if (plain)
            memcpy(out.text + size, s.data + i, n);
        else
            out.text[size] = '_';
        n = YK_MAX(n, 1);
        size += n;
    }
    out.text[size] = 0;
    return out;
}

yk_onnx_text yk_onnx_node_text(const yk_onnx_model *m, const yk_onnx_node *n)
{
    bool by_output = n->name.size == 0 && n->output_count > 0 && n->outputs[0] >= 0;
    return yk_onnx_text_of(by_output ? m->values[n->outputs[0]].name : n->name);
}
