// NaN and infinity in the rows of an input: found, and reported by the first row that has one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "terms/rows.hpp"

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

// An input holds NaN or infinity in some row: names the first.
[[noreturn]] inline void report_not_finite(const Rows<float>& rows, bool base) {
    std::size_t i = 0;
    while (i + 1 < rows.count && finite(rows[i], rows.width)) ++i;  // the last one, if the caller has changed it meanwhile
    throw NotFinite(base, rows.first + i);
}

}  // namespace hardmine
