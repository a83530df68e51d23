#include "max_words.h"

void eq_max_words(const eq_max_window *window) {
    for (int32_t c = 0; c < window->channels; c++) {
        int32_t best = INT8_MIN;
        for (int32_t r = 0; r < window->rows; r++) {
            const int8_t *pixel = window->from + r * window->row_step + c;
            for (int32_t k = 0; k < window->columns; k++, pixel += window->channels)
                if (*pixel > best) best = *pixel;
        }
        window->to[c] = (int8_t)best;
    }
}
