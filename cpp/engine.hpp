// The whole C++ API: rows, a metric and a filter in; neighbours, pairs, counts or a matrix out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "scan/parallel.hpp"
#include "screens/prepared.hpp"
#include "sinks/lists.hpp"
#include "sinks/pair_list.hpp"
#include "sinks/ranking_counts.hpp"
#include "sinks/ranks.hpp"
#include "terms/filter.hpp"
#include "terms/search.hpp"

namespace hardmine {

// The k nearest allowed base rows of each query, in the order of (distance, index). Missing ones have distance infinity (2^31
// - 1 for codes) and index -1. too_near, if not null, is added to: for each query how many rows filter.farther_than alone kept
// out; exact up to kMostCounted (sinks/top_k.hpp), then at least that.
void topk(const FloatSearch& search, const Filter& filter, const Lists<float>& out, std::int64_t* too_near,
          const Watcher& watcher);
void topk(const CodeSearch& search, const Filter& filter, const Lists<std::int32_t>& out, const Watcher& watcher);

// A part of topk of an array against itself, with the lists so far in `out`: goes on from step.at, and says there how far it
// came. Only the rows that a mask leaves are answered. False if a rectangle does better: rows before step.at.near are finished
// then, and the others neither answered nor counted.
bool self_join(const FloatSearch& search, const Filter& filter, const Lists<float>& out, std::int64_t* too_near,
               JoinStep& step, const Watcher& watcher);

// Lists of n rows each become one, the groups capped (sinks/lists.hpp). base_groups: null without a cap.
template <class Distance>
void merge(const std::vector<Lists<const Distance>>& parts, std::size_t n, const Lists<Distance>& out,
           const std::int64_t* base_groups, std::size_t max_per_group, int threads, const Watcher& watcher);

// All pairs no farther apart than radius[query], in the order of (row, distance, col). If filter.self, each pair of rows is
// kept once (row < col), and must be allowed both ways. Where there are more than `most` they are only counted.
struct FoundPairs {
    std::uint64_t count = 0;
    std::vector<PairList> lists;  // empty if count > most
};
FoundPairs radius_neighbors(const FloatSearch& search, const Filter& filter, const float* radius, std::uint64_t most,
                            const Watcher& watcher);
FoundPairs radius_neighbors(const CodeSearch& search, const Filter& filter, const float* radius, std::uint64_t most,
                            const Watcher& watcher);

// Into arrays of found.count numbers; the lists are spent.
template <class Distance>
void write_pairs(FoundPairs& found, std::int64_t* rows, std::int64_t* cols, Distance* distances, int threads,
                 const Watcher& watcher);

// The n_pairs nearest of all pairs, in the order of (distance, row, col), the groups of each query capped; self as above.
std::vector<FoundPair> closest_pairs(const FloatSearch& search, const Filter& filter, std::size_t n_pairs,
                                     const Watcher& watcher);
std::vector<FoundPair> closest_pairs(const CodeSearch& search, const Filter& filter, std::size_t n_pairs,
                                     const Watcher& watcher);

template <class Distance>
void write_pairs(const std::vector<FoundPair>& found, std::int64_t* rows, std::int64_t* cols, Distance* distances,
                 const Watcher& watcher);

// How many pairs lie in each bin [thresholds[b], thresholds[b + 1]), added to counts; self as above. With groups two tables:
// of the pairs of one group, and of the others.
struct HistogramOf {
    const float* thresholds;
    std::size_t count;  // of thresholds, at least 2
    const std::int64_t *query_groups = nullptr, *base_groups = nullptr;
};
void distance_histogram(const FloatSearch& search, const Filter& filter, const HistogramOf& histogram, std::uint64_t* counts,
                        const Watcher& watcher);
void distance_histogram(const CodeSearch& search, const Filter& filter, const HistogramOf& histogram, std::uint64_t* counts,
                        const Watcher& watcher);

// How many allowed rows of a query come before each of its places, into counts: a number for each place.
void ranks(const FloatSearch& search, const Filter& filter, const Places& places, std::int64_t* counts,
           const Watcher& watcher);
void ranks(const CodeSearch& search, const Filter& filter, const Places& places, std::int64_t* counts, const Watcher& watcher);

// For each query the number of base codes at each distance 0 ... levels - 1, and of the relevant ones among them: (n, levels)
// each, complete up to the first distance within which there are `top` codes and zero beyond it.
void ranking_counts(const CodeSearch& search, const Relevance& relevance, std::size_t top, std::size_t levels,
                    std::uint32_t* counts, std::uint32_t* relevant, const Watcher& watcher);

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

// A base packed for searches of it with that metric, each of which is given the same rows. Throws NotFinite.
std::shared_ptr<PreparedRows> prepare(const Rows<float>& base, Metric metric, int threads, const Watcher& watcher);

// For tests: the intervals [lower, upper] that a screen gives every pair, (n, m) each; NaN for one that it does not report. Of
// "few" or "many" queries; "int8" or "bf16": the lower end that the coarse screen asks with, and the upper one that it offers;
// "int8 again", "bf16 again": both that it offers.
void intervals(const FloatSearch& search, const std::string& screen, float* lower, float* upper);

// For tests: the products of signed bytes by the table of int8 or bf16 in use, as float32; NaN where it reports none, as for those
// above high[i].
void quantised_products(const std::string& family, const std::int8_t* queries, std::size_t n, const std::int8_t* base,
                        std::size_t m, std::size_t d, const float* high, float* products);

// For the benchmark, in one thread and with the tables in use (rates.cpp). Rows are whole groups and panels, and numbers so
// small that sums are exact: floats, bytes, bfloat16 (the upper halves of floats), or codes.
struct TileLoop {
    double seconds;                        // of CPU time, of all rounds
    std::uint32_t mixed;                   // of the products alone: Kernels' `products`
    std::vector<std::int64_t> rows, cols;  // with comparisons: the pairs with a value of at most high[row]
    std::vector<float> values;             // products, or distances in bits
};
TileLoop tile_loop(const Rows<float>& queries, const Rows<float>& base, const float* high, bool compare, std::size_t rounds);
TileLoop tile_loop(const Rows<std::int8_t>& queries, const Rows<std::int8_t>& base, const float* high, bool compare,
                   std::size_t rounds);
TileLoop tile_loop(const Rows<std::uint16_t>& queries, const Rows<std::uint16_t>& base, const float* high, bool compare,
                   std::size_t rounds);
TileLoop tile_loop(const Rows<std::uint8_t>& queries, const Rows<std::uint8_t>& base, const float* high, bool compare,
                   std::size_t rounds);

// What the unit of a family ("tile", "int8", "bf16", "codes") does at its best in so many steps, by its table in use: operations, or
// bits counted.
double peak(const std::string& family, std::size_t steps);

}  // namespace hardmine
