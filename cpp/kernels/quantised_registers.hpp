// Products in vector registers: HM_ROWS queries by two vectors of base rows, a word at a step.
//
// What differs between the sets, and between bytes and bfloat16, is a Product: what sums are, where they begin, and how the
// products of a vector of words of base rows and one of a query are added to them.
#pragma once

#include "quantised_epilogue.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kRun = 1, kGroups = 96 / kRows;

struct Group {
    Row row[kRows];
};

template <class Product>
inline Group multiply(const QuantisedQueries& q, size_t g, const QuantisedPanel& panel, size_t words) {
    const uint8_t *query = (const uint8_t*)q.codes + g * kRows * words * 4, *base = (const uint8_t*)panel.codes;
    typename Product::Sum sum[kRows][2];
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = Product::first(q, g * kRows + r);
    for (size_t k = 0; k < words; ++k, query += 4 * kRows, base += 4 * kLanes) {
        const Ints b0 = load_ints(base), b1 = load_ints(base + HM_BYTES);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            int32_t word;
            memcpy(&word, query + 4 * r, sizeof word);
            const Ints a = spread_int(word);
            sum[r][0] = Product::add(sum[r][0], b0, a);
            sum[r][1] = Product::add(sum[r][1], b1, a);
        }
    }
    const Lanes lanes(panel);
    Group group;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) group.row[r] = lanes.row(sum[r][0], sum[r][1], q.factor[g * kRows + r]);
    return group;
}

// Registers need no preparation.
constexpr void (*begin)(size_t) = nullptr;
constexpr void (*end)() = nullptr;

template <class Product, class Test>
inline size_t screen_with(const Test& test, const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel,
                          size_t words, Hit* hits) {
    size_t n = 0;
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        float limit[kRows];
        for (size_t r = 0; r < kRows; ++r) limit[r] = test.limit(first + r);
        const Group group = multiply<Product>(q, g, panel, words);
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
