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
#include "screens/int8_layout.hpp"

namespace hardmine {

// Queries and one panel of base rows: codes are [row][d], numbers one a row. Where nothing else is said the value of a pair is
// its product, and every pair passes.
struct Int8Trial {
    static constexpr float kInfinity = std::numeric_limits<float>::infinity();

    std::size_t n, m, d;
    std::vector<std::int8_t> queries, base;
    std::vector<float> factor, length, residual, high, shift;                 // of queries
    std::vector<float> scale, bias, base_residual, base_length, column_high;  // of base rows

    Int8Trial(std::size_t rows, std::size_t lanes, std::size_t width)
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
    std::vector<Hit> hits(const Int8Kernels& kernels, bool both) const {
        const Int8Layout layout(kernels, d);
        const std::size_t groups = (n + kernels.rows - 1) / kernels.rows, rows = groups * kernels.rows, lanes = kernels.lanes;
        AlignedVector<std::int8_t> codes(rows * layout.bytes());
        std::vector<std::int32_t> start(rows);
        for (std::size_t i = 0; i < n; ++i) {
            layout.components(d, [&](std::size_t k, std::size_t at) {
                codes[layout.query(i) + at] = queries[i * d + k];
                start[i] -= kernels.offset * queries[i * d + k];
            });
        }
        AlignedVector<std::uint8_t> panel(lanes * layout.bytes());
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t k = 0; k < d; ++k)
                panel[(k / 4 * lanes + j) * 4 + k % 4] = static_cast<std::uint8_t>(base[j * d + k] + kernels.offset);
        const auto filled = [](std::vector<float> numbers, std::size_t size, float last) {
            numbers.resize(size, last);
            return numbers;
        };
        const auto by = filled(factor, rows, 0), lengths = filled(length, rows, 0), residuals = filled(residual, rows, 0),
                   highs = filled(high, rows, -kInfinity), shifts = filled(shift, rows, kInfinity),
                   scales = filled(scale, lanes, 0), biases = filled(bias, lanes, 0),
                   base_residuals = filled(base_residual, lanes, 0), base_lengths = filled(base_length, lanes, 0),
                   columns = filled(column_high, lanes, -kInfinity);
        const Int8Queries q{codes.data(),     start.data(), by.data(),    lengths.data(),
                            residuals.data(), highs.data(), shifts.data()};
        const Int8Panel p{panel.data(), scales.data(), biases.data(), base_residuals.data(), base_lengths.data()};
        std::vector<Hit> found(rows * lanes);
        const Int8Tiles tiles(kernels, layout);
        found.resize(both ? kernels.screen_both(q, groups, p, columns.data(), layout.quads, found.data())
                          : kernels.screen(q, groups, p, layout.quads, found.data()));
        std::erase_if(found, [&](const Hit& hit) { return hit.row >= n || hit.lane >= m; });
        return found;
    }
};

// Whether two tables find the same pairs with the same values among random bytes, in dimensions that fill blocks and that do
// not.
inline bool same_int8(const Int8Kernels& one, const Int8Kernels& other) {
    std::minstd_rand random(1);
    const auto draw = [&] { return static_cast<float>(random() % 2001) / 1000.0f - 1.0f; };  // from -1 to 1
    const auto byte = [&] {
        const auto x = static_cast<int>(random() % 512) - 256;  // half of them as large as they can be
        return static_cast<std::int8_t>(std::clamp(x, -127, 127));
    };
    constexpr std::size_t kWidths[] = {1, 30, 64, 67, 150, 260};
    for (const std::size_t d : kWidths) {
        Int8Trial trial(101, std::min(one.lanes, other.lanes), d);
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
