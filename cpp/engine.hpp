// The whole C++ API: rows, a metric and a filter in, neighbours or a matrix out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "filter.hpp"
#include "kernels/kernels.hpp"
#include "metric.hpp"
#include "parallel.hpp"
#include "rows.hpp"

namespace hardmine {

// A row holds NaN or infinity. `row` is the first such row, an index of the caller's array.
struct NotFinite : std::runtime_error {
    NotFinite(bool in_base, std::size_t at) : std::runtime_error("not finite"), base(in_base), row(at) {}
    bool base;
    std::size_t row;
};

// The watcher ended the work; outputs are incomplete.
struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("stopped") {}
};

struct Search {
    const Kernels& kernels;
    Metric metric;
    Rows<float> queries, base;
    int threads = 0;        // 0: every core the process may use
    std::size_t block = 0;  // base rows packed at a time; 0 chooses. Changes no result
};

// The k nearest allowed base rows of each query, in the order of (distance, index): (queries.count, k) each. Missing ones have
// distance infinity and index -1.
void topk(const Search& search, std::size_t k, const Filter& filter, float* distances, std::int64_t* indices,
          const Watcher& watcher);

// The float32 matrix of distances, out[i * stride + j] (frame.hpp derives its error). Pairs whose bound exceeds 2^-10 of
// their value are canonical.
void pairwise(const Search& search, float* out, std::size_t stride, const Watcher& watcher);

// The canonical distances of the pairs (rows[p], cols[p]).
void pair_distances(const Search& search, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    float* distances, const Watcher& watcher);

// For tests: the intervals [lower, upper] that the screen for few or for many queries gives every pair, (n, m) each; at most
// FewScreen::kMostQueries queries for the former.
void intervals(const Search& search, bool few, float* lower, float* upper);

}  // namespace hardmine
