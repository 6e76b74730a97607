// NaN and infinity in the rows of an input: found, and reported by the first row that has one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "terms/rows.hpp"
#include "terms/watch.hpp"

namespace hardmine {

// A row holds NaN or infinity. `row` is the first such row, an index of the caller's array.
struct NotFinite : std::runtime_error {
    NotFinite(bool in_base, std::size_t at) : std::runtime_error("not finite"), base(in_base), row(at) {}
    bool base;
    std::size_t row;
};

// Whether every number of a row is finite.
inline bool finite(const float* row, std::size_t d) {
    return std::all_of(row, row + d, [](float x) { return std::isfinite(x); });
}

// The first row that holds NaN or infinity, or rows.count: a look at every number, for whose end Ctrl-C must not wait.
inline std::size_t first_not_finite(const Rows<float>& rows, Watch& watch) {
    constexpr std::size_t kNumbers = 1 << 20;
    const std::size_t step = std::max<std::size_t>(1, kNumbers / rows.width);
    for (std::size_t i = 0; i < rows.count; ++i) {
        if (!finite(rows[i], rows.width)) return i;
        if (i % step == 0 && !watch.step(0)) throw Stopped();
    }
    return rows.count;
}

// An input holds NaN or infinity in some row: names the first, or the last row if the caller has changed it meanwhile.
[[noreturn]] inline void report_not_finite(const Rows<float>& rows, bool base, Watch& watch) {
    throw NotFinite(base, rows.first + std::min(first_not_finite(rows, watch), rows.count - 1));
}

}  // namespace hardmine
