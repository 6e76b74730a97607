// The whole C++ API: rows, a metric and a filter in, neighbours or a matrix out.
#pragma once

#include <atomic>
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

// How often an interval was found not to hold a distance, in all calls: a proof in frame.hpp or few_screen.hpp is wrong then.
// The row is scanned again without it. Zero, as far as anyone knows.
inline std::atomic<std::uint64_t> failed_proofs{0};

// Rows are float32 vectors or packed codes.
template <class Row>
struct Search {
    const Kernels& kernels;
    Rows<Row> queries, base;
    int threads = 0;        // 0: every core the process may use
    std::size_t block = 0;  // base rows packed at a time; 0 chooses. Changes no result
};

struct FloatSearch : Search<float> {
    Metric metric;
};
using CodeSearch = Search<std::uint8_t>;

// The k nearest allowed base rows of each query, in the order of (distance, index): (queries.count, k) each. Missing ones have
// distance infinity and index -1. too_near, if not null, is added to: for each query how many rows filter.farther_than alone
// kept out; exact up to kMostCounted, then at least that.
inline constexpr std::uint32_t kMostCounted = 256;
void topk(const FloatSearch& search, std::size_t k, const Filter& filter, float* distances, std::int64_t* indices,
          std::int64_t* too_near, const Watcher& watcher);

// The same for codes: distances in bits, 2^31 - 1 for missing ones.
void topk(const CodeSearch& search, std::size_t k, const Filter& filter, std::int32_t* distances, std::int64_t* indices,
          const Watcher& watcher);

// The float32 matrix of distances, out[i * stride + j] (frame.hpp derives its error). Pairs whose bound exceeds 2^-10 of
// their value are canonical.
void pairwise(const FloatSearch& search, float* out, std::size_t stride, const Watcher& watcher);
void pairwise(const CodeSearch& search, std::int32_t* out, std::size_t stride, const Watcher& watcher);

// The canonical distances of the pairs (rows[p], cols[p]), positions within the views.
void pair_distances(const FloatSearch& search, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    float* distances, const Watcher& watcher);
void pair_distances(const CodeSearch& search, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    std::int32_t* distances, const Watcher& watcher);

// The canonical distances of all pairs of finite rows, out[i * base.count + j]. If `self`, queries and base are one array, and
// each pair is computed once.
void canonical_matrix(const FloatSearch& search, bool self, float* out, const Watcher& watcher);

// Which pairs count as relevant: those of one group or, where marks are given, those whose marks share a bit.
struct Relevance {
    const std::int64_t *query_groups = nullptr, *base_groups = nullptr;
    const std::uint64_t *query_marks = nullptr, *base_marks = nullptr;
    std::size_t words = 0;  // of the marks of a row

    bool relevant(std::size_t query, std::size_t base) const {
        if (query_groups) return query_groups[query] == base_groups[base];
        std::uint64_t shared = 0;
        for (std::size_t w = 0; w < words; ++w) shared |= query_marks[query * words + w] & base_marks[base * words + w];
        return shared != 0;
    }
};

// For each query the number of base codes at each distance 0 ... levels - 1, and of the relevant ones among them: (n, levels)
// each, complete up to the first distance within which there are `top` codes and zero beyond it.
void histograms(const CodeSearch& search, const Relevance& relevance, std::size_t top, std::size_t levels,
                std::uint32_t* counts, std::uint32_t* relevant, const Watcher& watcher);

// For tests: the intervals [lower, upper] that the screen for few or for many queries gives every pair, (n, m) each.
void intervals(const FloatSearch& search, bool few, float* lower, float* upper);

}  // namespace hardmine
