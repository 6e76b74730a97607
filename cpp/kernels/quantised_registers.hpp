// Products in vector registers: HM_ROWS queries by two vectors of base rows, a word at a step.
//
// What differs between the sets, and between bytes and bfloat16, is a Product: what sums are, where they begin, and how the
// products of a vector of words of base rows and one of a query are added to them; and for the benchmark, how many products are
// added to a number at a time, and whether one instruction does it. int8_matrices.hpp has other sums than those here.
#pragma once

#include "quantised_epilogue.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kGroups = 96 / kRows;

template <class Product>
struct Sums {
    typename Product::Sum sum[kRows][2];
};

template <class Product>
inline Sums<Product> sums(const QuantisedQueries& q, size_t g, const QuantisedPanel& panel, size_t words) {
    const uint8_t *query = (const uint8_t*)q.codes + g * kRows * words * 4, *base = (const uint8_t*)panel.codes;
    Sums<Product> s;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) s.sum[r][0] = s.sum[r][1] = Product::first(q, g * kRows + r);
    for (size_t k = 0; k < words; ++k, query += 4 * kRows, base += 4 * kLanes) {
        const Ints b0 = load_ints(base), b1 = load_ints(base + HM_BYTES);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            int32_t word;
            memcpy(&word, query + 4 * r, sizeof word);
            const Ints a = spread_int(word);
            s.sum[r][0] = Product::add(s.sum[r][0], b0, a);
            s.sum[r][1] = Product::add(s.sum[r][1], b1, a);
        }
    }
    return s;
}

struct Group {
    Row row[kRows];
};

template <class Product>
inline Group multiply(const QuantisedQueries& q, size_t g, const QuantisedPanel& panel, size_t words) {
    const Sums<Product> s = sums<Product>(q, g, panel, words);
    const Lanes lanes(panel);
    Group group;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) group.row[r] = lanes.row(s.sum[r][0], s.sum[r][1], q.factor[g * kRows + r]);
    return group;
}

// With operands in registers. Where a step is several instructions the panel's words change from one to the next, as they do
// above, so that none of them can be done once for all.
template <class Product>
inline double peak_with(size_t steps, int32_t* sink) {
    typedef typename Product::Sum Sum;
    Ints a[kRows], b[2] = {spread_int(sink[0]), spread_int(sink[1])};
    Sum sum[kRows][2];
    for (size_t r = 0; r < kRows; ++r) {
        a[r] = spread_int(sink[2] + (int32_t)r);
        for (size_t h = 0; h < 2; ++h)  // all different
            sum[r][h] = __builtin_convertvector(spread_int((int32_t)(2 * r + h)), Sum);
    }
    for (size_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) sum[r][h] = Product::add(sum[r][h], b[h], Product::kOneStep ? a[0] : a[r]);
        if (!Product::kOneStep) {
            b[0] = wrapping_sum(b[0], b[1]);
            b[1] = wrapping_sum(b[1], b[0]);
        }
    }
    Ints mixed = {};
    for (size_t r = 0; r < kRows; ++r) mixed ^= (Ints)sum[r][0] ^ (Ints)sum[r][1];
    sink[0] = (int32_t)exclusive_or(mixed);
    return 2.0 * Product::kAdded * (double)steps * kRows * kLanes;
}

template <class Product>
inline uint32_t products_with(const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel, size_t words) {
    Ints mixed[2] = {};
    for (size_t g = 0; g < groups; ++g) {
        const Sums<Product> s = sums<Product>(q, g, panel, words);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
            mixed[0] ^= (Ints)s.sum[r][0];
            mixed[1] ^= (Ints)s.sum[r][1];
        }
    }
    return exclusive_or(mixed[0] ^ mixed[1]);
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
