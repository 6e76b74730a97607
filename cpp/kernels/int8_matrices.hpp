// Sums of products of bytes by i8mm, whose instruction multiplies two rows by two lanes, eight components of each: a run of two
// words of two queries, and of two lanes what zip<> makes of two words.
#pragma once

#include "int8_product.hpp"
#include "quantised_registers.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kPairs = kLanes / 2;
static_assert(kRun == 2 && kOffset == 0 && kRows % 2 == 0, "sums begin with 0");

template <>
inline Sums<Product> sums<Product>(const QuantisedQueries& q, size_t g, const QuantisedPanel& panel, size_t words) {
    const uint8_t *query = (const uint8_t*)q.codes + g * kRows * words * 4, *base = (const uint8_t*)panel.codes;
    // Rows of up to four components are one word, and get another one of zeros.
    uint8_t query_run[kRows][8] = {}, base_run[8 * kLanes] = {};
    if (words == 1) {
        for (size_t r = 0; r < kRows; ++r) memcpy(query_run[r], query + 4 * r, 4);
        memcpy(base_run, base, 4 * kLanes);
        query = query_run[0];
        base = base_run;
    }
    Ints sum[kRows / 2][kPairs] = {};
    for (size_t k = 0; k < words; k += kRun, query += 8 * kRows, base += 8 * kLanes) {
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
            for (size_t p = 0; p < kPairs; ++p) sum[r][p] = Product::add(sum[r][p], lanes[p], rows);
        }
    }
    Sums<Product> s;
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

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
