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
        state_[row] = {levels_ - 1, 0};
        for (std::uint32_t* table : {counts_, relevant_}) std::fill_n(table + query * levels_, levels_, 0u);
    }

    float bound(std::size_t row) const { return static_cast<float>(state_[row].limit); }
    bool wants(std::size_t row, std::uint32_t, float distance) const { return distance <= bound(row); }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float exact, float, const Score&) {
        State& s = state_[row];
        std::uint32_t* counts = counts_ + query * levels_;
        const auto distance = static_cast<std::size_t>(exact);
        relevant_[query * levels_ + distance] += relevance_.relevant(query, index);
        ++counts[distance];
        if (++s.within < top_) return false;
        const std::size_t before = s.limit;
        while (s.within - counts[s.limit] >= top_) s.within -= counts[s.limit--];
        return s.limit < before;
    }

    void distrust(std::size_t) {}  // distances of codes are exact

    void finish(std::size_t row, std::size_t query) {
        for (std::uint32_t* table : {counts_, relevant_})
            std::fill(table + query * levels_ + state_[row].limit + 1, table + (query + 1) * levels_, 0u);
    }

  private:
    struct State {
        std::size_t limit, within;
    };
    const Relevance& relevance_;
    std::size_t top_, levels_;
    std::uint32_t *counts_, *relevant_;
    std::vector<State> state_;
};

}  // namespace hardmine
