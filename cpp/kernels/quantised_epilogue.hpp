// What becomes of the sums of products, of bytes or bfloat16, however they were multiplied: values, the two tests of a pair,
// hits.
//
// A row is the values of a query and the two vectors of a panel. A test has three parts: a number of each query, `limit`;
// `may_pass`, with that number and the panel's worst lane for all; and, rarely, `passes`, with each lane's own blur. Which
// pairs pass depends on nothing but the pair and its panel, so that all products have the same hits.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kRows = HM_ROWS;
constexpr size_t kLanes = 2 * kWidth;

typedef uint32_t Unsigned __attribute__((vector_size(HM_BYTES)));

inline Ints load_ints(const void* p) {
    Ints v;
    memcpy(&v, p, sizeof v);
    return v;
}
inline Ints spread_int(int32_t x) { return x - Ints{}; }
inline Ints wrapping_sum(Ints a, Ints b) { return (Ints)((Unsigned)a + (Unsigned)b); }
inline Vec to_floats(Ints v) { return __builtin_convertvector(v, Vec); }
inline Vec to_floats(Vec v) { return v; }

struct Row {
    Vec value[2];
};

// What the lanes of a panel make of sums.
struct Lanes {
    Vec scale[2], bias[2];
    explicit Lanes(const QuantisedPanel& panel)
        : scale{load(panel.scale), load(panel.scale + kWidth)}, bias{load(panel.bias), load(panel.bias + kWidth)} {}
    template <class Sum>
    Row row(Sum sum0, Sum sum1, float factor) const {
        const Vec by = spread(factor);
        return {{fma(to_floats(sum0) * scale[0], by, bias[0]), fma(to_floats(sum1) * scale[1], by, bias[1])}};
    }
};

// How much less than its value the true one of a pair can be: of query i and each lane, and at most.
inline Vec blur(const QuantisedQueries& q, size_t i, const QuantisedPanel& panel, size_t half) {
    return fma(spread(q.length[i]), load(panel.residual + half * kWidth),
               spread(q.residual[i]) * load(panel.length + half * kWidth));
}
struct Worst {
    float residual, length;
    bool uneven;
    explicit Worst(const QuantisedPanel& panel) : residual(panel.residual[0]), length(panel.length[0]) {
        float residuals = 0, lengths = 0;
        for (size_t j = 0; j < kLanes; ++j) {
            if (panel.residual[j] > residual) residual = panel.residual[j];
            if (panel.length[j] > length) length = panel.length[j];
            residuals += panel.residual[j];
            lengths += panel.length[j];
        }
        uneven = residual * kLanes > 2 * residuals || length * kLanes > 2 * lengths;
    }
    float blur(const QuantisedQueries& q, size_t i) const { return q.length[i] * residual + q.residual[i] * length; }
};

// The test of `screen`.
struct TestRows {
    const QuantisedQueries& q;
    const QuantisedPanel& panel;
    Worst worst;
    TestRows(const QuantisedQueries& queries, const QuantisedPanel& of) : q(queries), panel(of), worst(of) {}
    float limit(size_t i) const { return q.high[i] + worst.blur(q, i); }
    Mask may_pass(const Row& row, size_t, float limit) const {
        return at_most(smaller(row.value[0], row.value[1]), spread(limit));
    }
    Mask passes(const Row& row, size_t i, size_t half) const {
        return at_most(row.value[half] - blur(q, i, panel, half), spread(q.high[i]));
    }
};

// That of `screen_both`. The blur is taken from the value and not from `shift`, beside which it may be lost.
struct TestBoth {
    const QuantisedQueries& q;
    const QuantisedPanel& panel;
    Worst worst;
    Vec columns[2];
    TestBoth(const QuantisedQueries& queries, const QuantisedPanel& of, const float* column_high)
        : q(queries), panel(of), worst(of), columns{load(column_high), load(column_high + kWidth)} {}
    float limit(size_t i) const { return worst.blur(q, i); }
    Mask may_pass(const Row& row, size_t i, float wide) const {
        const Vec v0 = row.value[0] - spread(wide), v1 = row.value[1] - spread(wide);
        Mask passed = at_most(smaller(v0, v1), spread(q.high[i]));
        passed |= at_most(v0 + spread(q.shift[i]), columns[0]);
        passed |= at_most(v1 + spread(q.shift[i]), columns[1]);
        return passed;
    }
    Mask passes(const Row& row, size_t i, size_t half) const {
        const Vec v = row.value[half] - blur(q, i, panel, half);
        return at_most(v, spread(q.high[i])) | at_most(v + spread(q.shift[i]), columns[half]);
    }
};

// The worst lane says little of the others where these differ much: in norm, or by a large component of some. Each is then
// compared with its own blur at once.
template <class Test>
struct EachLane : Test {
    float limit(size_t) const { return 0; }
    Mask may_pass(const Row& row, size_t i, float) const { return Test::passes(row, i, 0) | Test::passes(row, i, 1); }
};

// Writes the pairs that pass of the queries from `first` on, a group; row(r) is what they make of the panel.
template <class Test, class RowOf>
inline size_t report(const Test& test, size_t first, const float* limit, RowOf row, Hit* hits) {
    size_t n = 0;
    for (size_t r = 0; r < kRows; ++r) {
        const Row values = row(r);
        if (!any(test.may_pass(values, first + r, limit[r]))) continue;
        uint32_t set = bits(test.passes(values, first + r, 0)) | bits(test.passes(values, first + r, 1)) << kWidth;
        if (!set) continue;
        float value[kLanes];
        store(value, values.value[0]);
        store(value + kWidth, values.value[1]);
        for (; set; set &= set - 1) {
            const uint32_t lane = (uint32_t)__builtin_ctz(set);
            hits[n++] = {(uint32_t)(first + r), lane, value[lane]};
        }
    }
    return n;
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
