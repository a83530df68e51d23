#include "dots_s8.h"

#include "eq_numerics.h"

/* What becomes of a value of the input. */
#define RAW(value) (value)
#define CENTRED(value) ((value) - zero_point)

/* Eight steps of a loop. */
#define EIGHT(STEP, OF)                                                                                      \
    STEP(0, OF) STEP(1, OF) STEP(2, OF) STEP(3, OF) STEP(4, OF) STEP(5, OF) STEP(6, OF) STEP(7, OF)

/* Here and below: scalars, not arrays, which compilers keep in registers. a, b, c are the pixels, and their
 * sums have the lane's digit. */
#define STEP_OF_1(i, OF)                                                                                     \
    {                                                                                                        \
        int32_t a = OF(x0[i]);                                                                               \
        a0 += (uint32_t)(a * w0[i]);                                                                         \
        a1 += (uint32_t)(a * w1[i]);                                                                         \
        a2 += (uint32_t)(a * w2[i]);                                                                         \
        a3 += (uint32_t)(a * w3[i]);                                                                         \
    }

#define DEFINE_1(name, OF)                                                                                   \
    static void name(eq_dots sums, const int8_t *x0, int32_t step, const eq_lanes w, int32_t at, int32_t n,  \
                     int32_t zero_point) {                                                                   \
        const int8_t *w0 = w[0] + at, *w1 = w[1] + at, *w2 = w[2] + at, *w3 = w[3] + at;                     \
        const int8_t *end = x0 + (n & ~7);                                                                   \
        uint32_t a0 = sums[0][0], a1 = sums[0][1], a2 = sums[0][2], a3 = sums[0][3];                         \
        (void)step, (void)zero_point;                                                                        \
        for (; x0 != end; x0 += 8, w0 += 8, w1 += 8, w2 += 8, w3 += 8) {                                     \
            EIGHT(STEP_OF_1, OF)                                                                             \
        }                                                                                                    \
        for (end += n & 7; x0 != end; x0++, w0++, w1++, w2++, w3++) STEP_OF_1(0, OF)                         \
        sums[0][0] = a0, sums[0][1] = a1, sums[0][2] = a2, sums[0][3] = a3;                                  \
    }

DEFINE_1(raw_1, RAW)
DEFINE_1(centred_1, CENTRED)

#if EQ_DOTS_PIXELS == 2

#define STEP_OF_2(i, OF)                                                                                     \
    {                                                                                                        \
        int32_t a = OF(x0[i]), b = OF(x1[i]), u = w0[i], v = w1[i];                                          \
        a0 += (uint32_t)(a * u);                                                                             \
        a1 += (uint32_t)(a * v);                                                                             \
        b0 += (uint32_t)(b * u);                                                                             \
        b1 += (uint32_t)(b * v);                                                                             \
    }

/* Two lanes at a time: there are few registers. */
#define DEFINE_2(name, OF)                                                                                   \
    static void name##_half(eq_dots sums, const int8_t *x0, const int8_t *x1, const int8_t *w0,              \
                            const int8_t *w1, int32_t lane, int32_t n, int32_t zero_point) {                 \
        const int8_t *end = x0 + (n & ~7);                                                                   \
        uint32_t a0 = sums[0][lane], a1 = sums[0][lane + 1];                                                 \
        uint32_t b0 = sums[1][lane], b1 = sums[1][lane + 1];                                                 \
        (void)zero_point;                                                                                    \
        for (; x0 != end; x0 += 8, x1 += 8, w0 += 8, w1 += 8) {                                              \
            EIGHT(STEP_OF_2, OF)                                                                             \
        }                                                                                                    \
        for (end += n & 7; x0 != end; x0++, x1++, w0++, w1++) STEP_OF_2(0, OF)                               \
        sums[0][lane] = a0, sums[0][lane + 1] = a1;                                                          \
        sums[1][lane] = b0, sums[1][lane + 1] = b1;                                                          \
    }                                                                                                        \
    static void name(eq_dots sums, const int8_t *x, int32_t step, const eq_lanes w, int32_t at, int32_t n,   \
                     int32_t zero_point) {                                                                   \
        name##_half(sums, x, x + step, w[0] + at, w[1] + at, 0, n, zero_point);                              \
        name##_half(sums, x, x + step, w[2] + at, w[3] + at, 2, n, zero_point);                              \
    }

DEFINE_2(raw_2, RAW)
DEFINE_2(centred_2, CENTRED)

eq_dots_function *const eq_dots_s8[2][EQ_DOTS_PIXELS] = {{raw_1, raw_2}, {centred_1, centred_2}};

#else

#define LANE_OF_2(lane, i)                                                                                   \
    {                                                                                                        \
        int32_t v = w##lane[i];                                                                              \
        a##lane += (uint32_t)(a * v);                                                                        \
        b##lane += (uint32_t)(b * v);                                                                        \
    }

#define STEP_OF_2(i, OF)                                                                                     \
    {                                                                                                        \
        int32_t a = OF(x0[i]), b = OF(x1[i]);                                                                \
        LANE_OF_2(0, i) LANE_OF_2(1, i) LANE_OF_2(2, i) LANE_OF_2(3, i)                                      \
    }

#define DEFINE_2(name, OF)                                                                                   \
    static void name(eq_dots sums, const int8_t *x0, int32_t step, const eq_lanes w, int32_t at, int32_t n,  \
                     int32_t zero_point) {                                                                   \
        const int8_t *w0 = w[0] + at, *w1 = w[1] + at, *w2 = w[2] + at, *w3 = w[3] + at;                     \
        const int8_t *x1 = x0 + step, *end = x0 + (n & ~7);                                                  \
        uint32_t a0 = sums[0][0], a1 = sums[0][1], a2 = sums[0][2], a3 = sums[0][3];                         \
        uint32_t b0 = sums[1][0], b1 = sums[1][1], b2 = sums[1][2], b3 = sums[1][3];                         \
        (void)zero_point;                                                                                    \
        for (; x0 != end; x0 += 8, x1 += 8, w0 += 8, w1 += 8, w2 += 8, w3 += 8) {                            \
            EIGHT(STEP_OF_2, OF)                                                                             \
        }                                                                                                    \
        for (end += n & 7; x0 != end; x0++, x1++, w0++, w1++, w2++, w3++) STEP_OF_2(0, OF)                   \
        sums[0][0] = a0, sums[0][1] = a1, sums[0][2] = a2, sums[0][3] = a3;                                  \
        sums[1][0] = b0, sums[1][1] = b1, sums[1][2] = b2, sums[1][3] = b3;                                  \
    }

DEFINE_2(raw_2, RAW)
DEFINE_2(centred_2, CENTRED)

#define LANE_OF_3(lane, i)                                                                                   \
    {                                                                                                        \
        int32_t v = w##lane[i];                                                                              \
        a##lane += (uint32_t)(a * v);                                                                        \
        b##lane += (uint32_t)(b * v);                                                                        \
        c##lane += (uint32_t)(c * v);                                                                        \
    }

#define STEP_OF_3(i, OF)                                                                                     \
    {                                                                                                        \
        int32_t a = OF(x0[i]), b = OF(x1[i]), c = OF(x2[i]);                                                 \
        LANE_OF_3(0, i) LANE_OF_3(1, i) LANE_OF_3(2, i) LANE_OF_3(3, i)                                      \
    }

#define DEFINE_3(name, OF)                                                                                   \
    static void name(eq_dots sums, const int8_t *x0, int32_t step, const eq_lanes w, int32_t at, int32_t n,  \
                     int32_t zero_point) {                                                                   \
        const int8_t *w0 = w[0] + at, *w1 = w[1] + at, *w2 = w[2] + at, *w3 = w[3] + at;                     \
        const int8_t *x1 = x0 + step, *x2 = x1 + step, *end = x0 + (n & ~7);                                 \
        uint32_t a0 = sums[0][0], a1 = sums[0][1], a2 = sums[0][2], a3 = sums[0][3];                         \
        uint32_t b0 = sums[1][0], b1 = sums[1][1], b2 = sums[1][2], b3 = sums[1][3];                         \
        uint32_t c0 = sums[2][0], c1 = sums[2][1], c2 = sums[2][2], c3 = sums[2][3];                         \
        (void)zero_point;                                                                                    \
        for (; x0 != end; x0 += 8, x1 += 8, x2 += 8, w0 += 8, w1 += 8, w2 += 8, w3 += 8) {                   \
            EIGHT(STEP_OF_3, OF)                                                                             \
        }                                                                                                    \
        for (end += n & 7; x0 != end; x0++, x1++, x2++, w0++, w1++, w2++, w3++) STEP_OF_3(0, OF)             \
        sums[0][0] = a0, sums[0][1] = a1, sums[0][2] = a2, sums[0][3] = a3;                                  \
        sums[1][0] = b0, sums[1][1] = b1, sums[1][2] = b2, sums[1][3] = b3;                                  \
        sums[2][0] = c0, sums[2][1] = c1, sums[2][2] = c2, sums[2][3] = c3;                                  \
    }

DEFINE_3(raw_3, RAW)
DEFINE_3(centred_3, CENTRED)

eq_dots_function *const eq_dots_s8[2][EQ_DOTS_PIXELS] = {{raw_1, raw_2, raw_3},
                                                         {centred_1, centred_2, centred_3}};

#endif

void eq_dots_output_s8(const eq_dots_output *to, eq_dots sums, int32_t pixels, int32_t lanes,
                       int8_t *output) {
    const eq_output range = *to->range;
    const int32_t step = to->step;
    for (int32_t l = 0; l < lanes; l++) {
        int32_t multiplier = to->multipliers[l], shift = to->shifts[l], at = l;
        for (int32_t i = 0; i < pixels; i++, at += step)
            output[at] = (int8_t)eq_output_s8((int32_t)sums[i][l], multiplier, shift, &range);
    }
}
