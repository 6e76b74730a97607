// The canonical distances of the queries of a task: what a sink asks when an interval has to become a number.
//
// Where a screen cannot separate rows (thousands of equal ones, a cluster far narrower than the cloud) most of its pairs are
// scored, one by one and each after a detour through the sink's buffer: 40 ns in 64 dimensions. A query of which a sixteenth
// of a block had to be scored is scored by whole blocks from there on, four rows at a time, 6 ns each, until the screen would
// do again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sinks/sink.hpp"
#include "terms/metric.hpp"
#include "terms/rows.hpp"

namespace hardmine {

// Asks for a row that will be read soon: 8 KiB of it at most.
inline void fetch_row(const float* row, std::size_t d) {
    for (std::size_t k = 0; k < std::min<std::size_t>(d, 2048); k += 16) __builtin_prefetch(row + k);
}

// Of one query.
struct Score {
    const Canonical& canonical;
    const Rows<float>& base;
    const float* query;
    double factor;
    std::uint32_t& asked;  // how often: what separates a screen that serves from one that does not
    float operator()(std::uint32_t index) const {
        ++asked;
        return canonical.distance(query, factor, row(index));
    }
    void fetch(std::uint32_t index) const { fetch_row(row(index), base.width); }
    const float* row(std::uint32_t index) const { return base[index - base.first]; }
};

// Of codes, whose screens give distances.
struct NoScores {
    static constexpr bool kByBlocks = false;
    void load(std::size_t, std::size_t) {}
    Known operator[](std::size_t) const { return {}; }
    void pass_over() {}
    bool pay(std::uint64_t) { return true; }
};

class Scores {
  public:
    static constexpr bool kByBlocks = true;
    static constexpr std::size_t kShare = 16;  // of a block: one in so many pairs scored, and all are

    Scores(const Canonical& canonical, const Rows<float>& queries, const Rows<float>& base, std::size_t most_queries,
           std::size_t most_rows)
        : canonical_(canonical),
          queries_(queries),
          base_(base),
          rows_(most_queries),
          factors_(most_queries),
          asked_(most_queries),
          before_(most_queries),
          from_(most_queries),
          whole_(most_queries),
          query_(canonical),
          block_rows_(most_rows),
          block_factors_(most_rows),
          distances_(most_rows) {}

    static std::size_t bytes_per_query() {
        return sizeof(const float*) + sizeof(double) + 3 * sizeof(std::uint32_t) + sizeof(std::uint8_t);
    }
    static std::size_t bytes(std::size_t d, std::size_t most_rows) {
        return CanonicalRows::bytes(d) + most_rows * (sizeof(const float*) + sizeof(double) + sizeof(float));
    }

    // Query i of the task is row `row`.
    void load(std::size_t i, std::size_t row) {
        rows_[i] = queries_[row];
        factors_[i] = canonical_.factor(rows_[i]);
        asked_[i] = before_[i] = from_[i] = 0;
        whole_[i] = false;
    }
    float least() const { return canonical_.least(); }
    Score operator[](std::size_t i) { return {canonical_, base_, rows_[i], factors_[i], asked_[i]}; }

    // What a scan costs beside its multiplications is of no interest here (self_join.hpp).
    void pass_over() {}
    bool pay(std::uint64_t) { return true; }

    // Whether query i is scored by whole blocks, and from which row of this block on.
    bool whole(std::size_t i) const { return whole_[i]; }
    std::size_t from(std::size_t i) const { return from_[i]; }

    // Before row `next` of a block of `rows`: whether the rest of it is to be scored as a whole.
    bool go_whole(std::size_t i, std::size_t next, std::size_t rows) {
        if ((asked_[i] - before_[i]) * kShare <= rows) return false;
        from_[i] = static_cast<std::uint32_t>(next);
        whole_[i] = true;
        return true;
    }
    // After a block.
    void finish_block(std::size_t i) { before_[i] = asked_[i]; }
    // After a block of which `rows` were scored as a whole, and the screen would have reported `near`.
    void finish_whole(std::size_t i, std::size_t near, std::size_t rows) {
        whole_[i] = near * kShare > rows;
        from_[i] = 0;
    }

    void load_block(const Selection& ids) {
        count_ = ids.count;
        for (std::size_t j = 0; j < count_; ++j) {
            block_rows_[j] = base_[ids[j]];
            block_factors_[j] = canonical_.factor(block_rows_[j]);
        }
    }
    // The distances of query i from the rows of the block, from(i) on.
    const float* block(std::size_t i) {
        const std::size_t from = from_[i];
        query_.load(rows_[i], factors_[i]);
        query_.distances(block_rows_.data() + from, block_factors_.data() + from, count_ - from, distances_.data() + from);
        return distances_.data();
    }

  private:
    const Canonical& canonical_;
    const Rows<float>&queries_, &base_;
    std::vector<const float*> rows_;
    std::vector<double> factors_;
    std::vector<std::uint32_t> asked_, before_, from_;
    std::vector<std::uint8_t> whole_;
    CanonicalRows query_;
    std::size_t count_ = 0;
    std::vector<const float*> block_rows_;
    std::vector<double> block_factors_;
    std::vector<float> distances_;
};

}  // namespace hardmine
