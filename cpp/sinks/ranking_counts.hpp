// How many codes, and how many relevant ones, lie at each distance of a query: what every measure of a ranking is made of.
// Complete up to the first distance within which there are `top` codes, and zero beyond it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sinks/sink.hpp"

namespace hardmine {

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

class RankingCounts : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = true, kSifts = false, kShared = false, kOneBound = false;

    // Counts at levels 0 ... levels - 1 of each query, into the caller's arrays.
    RankingCounts(std::size_t rows, const Relevance& relevance, std::size_t top, std::size_t levels, std::uint32_t* counts,
                  std::uint32_t* relevant)
        : relevance_(relevance), top_(top), levels_(levels), counts_(counts), relevant_(relevant), state_(rows) {}

    static std::size_t bytes_per_row() { return sizeof(State); }

    void start(std::size_t row, std::size_t query) {
        State& s = state_[row];
        s = {static_cast<float>(levels_ - 1), 0, counts_ + query * levels_, relevant_ + query * levels_};
        for (std::uint32_t* table : {s.counts, s.relevant}) std::fill_n(table, levels_, 0u);
    }

    float bound(std::size_t row) const { return state_[row].bound; }
    bool wants(std::size_t row, std::uint32_t, float distance) const { return distance <= state_[row].bound; }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float exact, float, const Score&) {
        State& s = state_[row];
        // A caller that sets padding bits meanwhile must not make us write beyond the table.
        const auto distance = std::min(static_cast<std::uint32_t>(exact), static_cast<std::uint32_t>(levels_ - 1));
        s.relevant[distance] += relevance_.relevant(query, index);
        ++s.counts[distance];
        if (++s.within < top_) return false;
        auto limit = static_cast<std::uint32_t>(s.bound);
        while (s.within - s.counts[limit] >= top_) s.within -= s.counts[limit--];
        const float before = s.bound;
        s.bound = static_cast<float>(limit);
        return s.bound < before;
    }

    void distrust(std::size_t) {}  // distances of codes are exact

    void finish(std::size_t row) {
        const State& s = state_[row];
        for (std::uint32_t* table : {s.counts, s.relevant})
            std::fill(table + static_cast<std::size_t>(s.bound) + 1, table + levels_, 0u);
    }

  private:
    struct State {
        float bound;
        std::size_t within;  // pairs no farther than it
        std::uint32_t *counts, *relevant;
    };
    const Relevance& relevance_;
    std::size_t top_, levels_;
    std::uint32_t *counts_, *relevant_;
    std::vector<State> state_;
};

}  // namespace hardmine
