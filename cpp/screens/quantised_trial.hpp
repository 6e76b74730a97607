// What a table makes of given bytes, without the rows they would come from: for tests of the products, and to see whether two
// tables agree before one of them is trusted.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/aligned.hpp"
#include "screens/quantised_layout.hpp"

namespace hardmine {

// Queries and one panel of base rows: codes are [row][d], numbers one a row. Where nothing else is said the value of a pair is
// its product, and every pair passes.
struct QuantisedTrial {
    static constexpr float kInfinity = std::numeric_limits<float>::infinity();

    std::size_t n, m, d;
    std::vector<std::int8_t> queries, base;
    std::vector<float> factor, length, residual, high, shift;                 // of queries
    std::vector<float> scale, bias, base_residual, base_length, column_high;  // of base rows

    QuantisedTrial(std::size_t rows, std::size_t lanes, std::size_t width)
        : n(rows),
          m(lanes),
          d(width),
          queries(n * d),
          base(m * d),
          factor(n, 1.0f),
          length(n),
          residual(n),
          high(n, kInfinity),
          shift(n, kInfinity),
          scale(m, 1.0f),
          bias(m),
          base_residual(m),
          base_length(m),
          column_high(m, -kInfinity) {}

    // m is at most kernels.lanes.
    std::vector<Hit> hits(const QuantisedKernels& kernels, bool both) const {
        const QuantisedLayout layout(kernels, d);
        const std::size_t groups = (n + kernels.rows - 1) / kernels.rows, rows = groups * kernels.rows, lanes = kernels.lanes;
        AlignedVector<std::uint8_t> codes(rows * layout.bytes()), panel(lanes * layout.bytes());
        const std::size_t bytes = 4 / layout.per_word;
        // Whole numbers of a byte are bfloat16, too: the upper half of their float32.
        const auto put = [&](std::uint8_t* to, int number) {
            const auto bits = bytes == 1 ? static_cast<std::uint32_t>(number)
                                         : std::bit_cast<std::uint32_t>(static_cast<float>(number)) >> 16;
            for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<std::uint8_t>(bits >> (8 * i));
        };
        std::vector<std::int32_t> start(rows);
        for (std::size_t i = 0; i < n; ++i) {
            layout.components(d, [&](std::size_t k, std::size_t at) {
                put(&codes[bytes * (layout.query(i) + at)], queries[i * d + k]);
                start[i] -= kernels.offset * queries[i * d + k];
            });
        }
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t k = 0; k < d; ++k)
                put(&panel[4 * (k / layout.per_word * lanes + j) + bytes * (k % layout.per_word)],
                    base[j * d + k] + kernels.offset);
        const auto filled = [](std::vector<float> numbers, std::size_t size, float last) {
            numbers.resize(size, last);
            return numbers;
        };
        const auto by = filled(factor, rows, 0), lengths = filled(length, rows, 0), residuals = filled(residual, rows, 0),
                   highs = filled(high, rows, -kInfinity), shifts = filled(shift, rows, kInfinity),
                   scales = filled(scale, lanes, 0), biases = filled(bias, lanes, 0),
                   base_residuals = filled(base_residual, lanes, 0), base_lengths = filled(base_length, lanes, 0),
                   columns = filled(column_high, lanes, -kInfinity);
        const QuantisedQueries q{codes.data(),     start.data(), by.data(),    lengths.data(),
                                 residuals.data(), highs.data(), shifts.data()};
        const QuantisedPanel p{panel.data(), scales.data(), biases.data(), base_residuals.data(), base_lengths.data()};
        std::vector<Hit> found(rows * lanes);
        const QuantisedTiles tiles(kernels, layout);
        found.resize(both ? kernels.screen_both(q, groups, p, columns.data(), layout.words, found.data())
                          : kernels.screen(q, groups, p, layout.words, found.data()));
        std::erase_if(found, [&](const Hit& hit) { return hit.row >= n || hit.lane >= m; });
        return found;
    }
};

// Whether two tables find the same pairs with the same values among random bytes, in dimensions that fill blocks and that do
// not: of so few that float32 has their sums exactly, in whatever order.
inline bool same_products(const QuantisedKernels& one, const QuantisedKernels& other) {
    std::minstd_rand random(1);
    const auto draw = [&] { return static_cast<float>(random() % 2001) / 1000.0f - 1.0f; };  // from -1 to 1
    const auto byte = [&] {
        const auto x = static_cast<int>(random() % 512) - 256;  // half of them as large as they can be
        return static_cast<std::int8_t>(std::clamp(x, -127, 127));
    };
    constexpr std::size_t kWidths[] = {1, 30, 64, 67, 150, 260};
    for (const std::size_t d : kWidths) {
        QuantisedTrial trial(101, std::min(one.lanes, other.lanes), d);
        for (auto* codes : {&trial.queries, &trial.base})
            for (auto& code : *codes) code = byte();
        const float usual = 10'000.0f * std::sqrt(static_cast<float>(d));
        for (std::size_t i = 0; i < trial.n; ++i) {
            trial.factor[i] = draw();
            trial.length[i] = 2 + draw();
            trial.residual[i] = 2 + draw();
            trial.high[i] = usual * draw() / 2;
            trial.shift[i] = usual * draw() / 2;
        }
        for (std::size_t j = 0; j < trial.m; ++j) {
            trial.scale[j] = 1 + draw() / 2;
            trial.bias[j] = usual * draw() / 2;
            trial.base_residual[j] = usual * (1 + draw()) / 16;
            trial.base_length[j] = usual * (1 + draw()) / 16;
            trial.column_high[j] = usual * (draw() / 2 - 1);
        }
        for (const bool both : {false, true}) {
            const auto found = trial.hits(one, both), expected = trial.hits(other, both);
            const auto same = [](const Hit& a, const Hit& b) {
                return a.row == b.row && a.lane == b.lane &&
                       std::bit_cast<std::uint32_t>(a.value) == std::bit_cast<std::uint32_t>(b.value);
            };
            if (!std::equal(found.begin(), found.end(), expected.begin(), expected.end(), same)) return false;
        }
    }
    return true;
}

}  // namespace hardmine
