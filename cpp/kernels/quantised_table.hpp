// The table of a format: the two tests of a pair, by what multiplies (quantised_registers.hpp or quantised_tiles.hpp, read before).
#pragma once

#include "kernels.hpp"
#include "quantised_epilogue.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

template <class Product, class Test>
size_t screen_by(const Test& test, const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel, size_t words,
                 Hit* hits) {
    if (test.worst.uneven) return screen_with<Product>(EachLane<Test>{test}, q, groups, panel, words, hits);
    return screen_with<Product>(test, q, groups, panel, words, hits);
}

template <class Product>
size_t screen(const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel, size_t words, Hit* hits) {
    return screen_by<Product>(TestRows(q, panel), q, groups, panel, words, hits);
}

template <class Product>
size_t screen_both(const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel, const float* column_high,
                   size_t words, Hit* hits) {
    return screen_by<Product>(TestBoth(q, panel, column_high), q, groups, panel, words, hits);
}

template <class Product>
constexpr QuantisedKernels table(size_t per_word, int32_t offset, float gain, decltype(QuantisedKernels::quantise) quantise) {
    return {
        .name = HM_NAME,
        .rows = kRows,
        .lanes = kLanes,
        .run = kRun,
        .per_word = per_word,
        .groups = kGroups,
        .offset = offset,
        .gain = gain,
        .begin = begin,
        .end = end,
        .quantise = quantise,
        .screen = screen<Product>,
        .screen_both = screen_both<Product>,
        .peak = peak_with<Product>,
        .products = products_with<Product>,
    };
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
