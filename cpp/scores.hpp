// The canonical distances of the queries of a task: what a sink asks when an interval has to become a number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "metric.hpp"
#include "rows.hpp"

namespace hardmine {

// Asks for a row that will be read soon: 8 KiB of it at most.
inline void fetch_row(const float* row, std::size_t d) {
    for (std::size_t k = 0; k < std::min<std::size_t>(d, 2048); k += 16) __builtin_prefetch(row + k);
}

struct Score {
    const Canonical& canonical;
    const Rows<float>& base;
    const float* query;
    double factor;
    float operator()(std::uint32_t index) const { return canonical.distance(query, factor, row(index)); }
    void fetch(std::uint32_t index) const { fetch_row(row(index), base.width); }
    const float* row(std::uint32_t index) const { return base[index - base.first]; }
};

class Scores {
  public:
    Scores(const Canonical& canonical, const Rows<float>& queries, const Rows<float>& base, std::size_t most_queries)
        : canonical_(canonical), queries_(queries), base_(base), rows_(most_queries), factors_(most_queries) {}

    // Query i of the task is row `row`.
    void load(std::size_t i, std::size_t row) {
        rows_[i] = queries_[row];
        factors_[i] = canonical_.factor(rows_[i]);
    }
    Score operator[](std::size_t i) const { return {canonical_, base_, rows_[i], factors_[i]}; }

  private:
    const Canonical& canonical_;
    const Rows<float>&queries_, &base_;
    std::vector<const float*> rows_;
    std::vector<double> factors_;
};

}  // namespace hardmine
