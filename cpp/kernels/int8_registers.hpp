// Products of bytes in vector registers: HM_ROWS queries by two vectors of base rows, a quad at a step.
//
// What differs between the sets is one function, add_products: a vector of unsigned bytes by a vector of signed ones, of which
// each four neighbours are added to an int32. The bytes of a panel carry an offset that makes them unsigned; the sums start at
// what it adds to them. Sums wrap around, so that only the last one has to fit into int32.
#pragma once

#include "int8_epilogue.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

// Instructions for bytes add two products in 16 bits, with saturation: a side of 7 bits leaves room for both.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int32_t kMost = 127;
constexpr float kGain = 3.5f;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kOneStep = true;       // products and their sum by one instruction
#elif defined(__ARM_FEATURE_DOTPROD)  // of signed bytes: no offset
constexpr int32_t kMost = 127;
constexpr float kGain = 2;  // not measured: half of what the instructions multiply, beside those of floats
constexpr int32_t kOffset = 0;
constexpr bool kOneStep = true;
#elif defined(__AVX2__)
constexpr int32_t kMost = 63;
constexpr float kGain = 1.5f;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kOneStep = false;
#else  // no such instructions
constexpr int32_t kMost = 63;
constexpr float kGain = 0;
constexpr int32_t kOffset = kMost + 1;
constexpr bool kOneStep = false;
#endif
constexpr size_t kGroups = 96 / kRows;

inline Ints wrapping_sum(Ints a, Ints b) { return (Ints)((Unsigned)a + (Unsigned)b); }

inline Ints add_products(Ints sum, Ints bytes, Ints signed_bytes) {
#if HM_BYTES == 64 && defined(__AVX512VNNI__)
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)bytes, (__m512i)signed_bytes);
#elif HM_BYTES == 32 && defined(__AVXVNNI__)
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)bytes, (__m256i)signed_bytes);
#elif HM_BYTES == 64 && defined(__AVX512BW__)
    const __m512i pairs = _mm512_maddubs_epi16((__m512i)bytes, (__m512i)signed_bytes);
    return wrapping_sum(sum, (Ints)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif HM_BYTES == 32 && defined(__AVX2__)
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)bytes, (__m256i)signed_bytes);
    return wrapping_sum(sum, (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif HM_BYTES == 16 && defined(__ARM_FEATURE_DOTPROD)
    return (Ints)vdotq_s32((int32x4_t)sum, (int8x16_t)bytes, (int8x16_t)signed_bytes);
#else
#pragma GCC unroll 4
    for (int shift = 0; shift < 32; shift += 8) {
        const Unsigned factor = (Unsigned)((Ints)((Unsigned)signed_bytes << (24 - shift)) >> 24);
        sum = wrapping_sum(sum, (Ints)(((Unsigned)bytes >> shift & 255) * factor));
    }
    return sum;
#endif
}

struct Sums {
    Ints sum[kRows][2];
};

#if HM_BYTES == 16 && defined(__ARM_FEATURE_MATMUL_INT8)
// Two rows by two lanes, eight components of each: a run of two quads of two queries, and of two lanes what zip<> makes of two
// quads. The sums of two rows are side by side: (0, 0), (0, 1), (1, 0), (1, 1).
constexpr size_t kRun = 2, kPairs = kLanes / 2;
constexpr double kAdded = 8;  // products to each number of an instruction
static_assert(kOffset == 0 && kRows % 2 == 0, "sums begin with 0");

inline Ints add_run(Ints sum, Ints lanes, Ints rows) {
    return (Ints)vmmlaq_s32((int32x4_t)sum, (int8x16_t)rows, (int8x16_t)lanes);
}

inline Sums sums(const Int8Queries& q, size_t g, const Int8Panel& panel, size_t quads) {
    const int8_t* query = q.codes + g * kRows * quads * 4;
    const uint8_t* base = panel.codes;
    // Rows of up to four components are one quad, and get another one of zeros.
    int8_t query_run[kRows][8] = {};
    uint8_t base_run[8 * kLanes] = {};
    if (quads == 1) {
        for (size_t r = 0; r < kRows; ++r) memcpy(query_run[r], query + 4 * r, 4);
        memcpy(base_run, base, 4 * kLanes);
        query = query_run[0];
        base = base_run;
    }
    Ints sum[kRows / 2][kPairs] = {};
    for (size_t k = 0; k < quads; k += kRun, query += 8 * kRows, base += 8 * kLanes) {
        Ints lanes[kPairs];
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h) {
            const Vec first = (Vec)load_ints(base + h * HM_BYTES), second = (Vec)load_ints(base + (2 + h) * HM_BYTES);
            lanes[2 * h] = (Ints)zip<0>(first, second);
            lanes[2 * h + 1] = (Ints)zip<1>(first, second);
        }
#pragma GCC unroll 8
        for (size_t r = 0; r < kRows / 2; ++r) {
            const Ints rows = load_ints(query + 16 * r);
#pragma GCC unroll 4
            for (size_t p = 0; p < kPairs; ++p) sum[r][p] = add_run(sum[r][p], lanes[p], rows);
        }
    }
    Sums s;
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows / 2; ++r)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h) {
            const int64x2_t a = (int64x2_t)sum[r][2 * h], b = (int64x2_t)sum[r][2 * h + 1];
            s.sum[2 * r][h] = (Ints)vzip1q_s64(a, b);
            s.sum[2 * r + 1][h] = (Ints)vzip2q_s64(a, b);
        }
    return s;
}
#else
constexpr size_t kRun = 1;
constexpr double kAdded = 4;
inline Ints add_run(Ints sum, Ints bytes, Ints signed_bytes) { return add_products(sum, bytes, signed_bytes); }

inline Sums sums(const Int8Queries& q, size_t g, const Int8Panel& panel, size_t quads) {
    const int8_t* query = q.codes + g * kRows * quads * 4;
    const uint8_t* base = panel.codes;
    Sums s;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) s.sum[r][0] = s.sum[r][1] = spread_int(q.start[g * kRows + r]);
    for (size_t k = 0; k < quads; ++k, query += 4 * kRows, base += 4 * kLanes) {
        const Ints b0 = load_ints(base), b1 = load_ints(base + HM_BYTES);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            int32_t quad;
            memcpy(&quad, query + 4 * r, sizeof quad);
            const Ints a = spread_int(quad);
            s.sum[r][0] = add_products(s.sum[r][0], b0, a);
            s.sum[r][1] = add_products(s.sum[r][1], b1, a);
        }
    }
    return s;
}
#endif

struct Group {
    Row row[kRows];
};

inline Group multiply(const Int8Queries& q, size_t g, const Int8Panel& panel, size_t quads) {
    const Sums s = sums(q, g, panel, quads);
    const Lanes lanes(panel);
    Group group;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) group.row[r] = lanes.row(s.sum[r][0], s.sum[r][1], q.factor[g * kRows + r]);
    return group;
}

// With operands in registers. Where a step is several instructions the panel's bytes change from one to the next, as they do
// above, so that none of them can be done once for all.
double peak(size_t steps, int32_t* sink) {
    Ints sum[kRows][2], a[kRows], b[2] = {spread_int(sink[0]), spread_int(sink[1])};
    for (size_t r = 0; r < kRows; ++r) {
        a[r] = spread_int(sink[2] + (int32_t)r);
        for (size_t h = 0; h < 2; ++h) sum[r][h] = spread_int((int32_t)(2 * r + h));  // all different
    }
    for (size_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) sum[r][h] = add_run(sum[r][h], b[h], kOneStep ? a[0] : a[r]);
        if (!kOneStep) {
            b[0] = wrapping_sum(b[0], b[1]);
            b[1] = wrapping_sum(b[1], b[0]);
        }
    }
    Ints mixed = {};
    for (size_t r = 0; r < kRows; ++r) mixed ^= sum[r][0] ^ sum[r][1];
    sink[0] = (int32_t)exclusive_or(mixed);
    return 2.0 * kAdded * (double)steps * kRows * kLanes;
}

uint32_t products(const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads) {
    Ints mixed[2] = {};
    for (size_t g = 0; g < groups; ++g) {
        const Sums s = sums(q, g, panel, quads);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            mixed[0] ^= s.sum[r][0];
            mixed[1] ^= s.sum[r][1];
        }
    }
    return exclusive_or(mixed[0] ^ mixed[1]);
}

// Registers need no preparation.
constexpr void (*begin)(size_t) = nullptr;
constexpr void (*end)() = nullptr;

template <class Test>
inline size_t screen_with(const Test& test, const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads,
                          Hit* hits) {
    size_t n = 0;
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        float limit[kRows];
        for (size_t r = 0; r < kRows; ++r) limit[r] = test.limit(first + r);
        const Group group = multiply(q, g, panel, quads);
        Mask passed = {};
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) passed |= test.may_pass(group.row[r], first + r, limit[r]);
        if (__builtin_expect(any(passed), 0))
            n += report(test, first, limit, [&](size_t r) { return group.row[r]; }, hits + n);
    }
    return n;
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
