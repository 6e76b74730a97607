// Pairs by the million: a list that grows by chunks, so that nothing is ever moved or held twice while it grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "terms/watch.hpp"

namespace hardmine {

struct FoundPair {
    std::uint32_t row, col;
    float distance;

    // The order of the nearest of all pairs.
    bool operator<(const FoundPair& other) const {
        return std::tie(distance, row, col) < std::tie(other.distance, other.row, other.col);
    }
};

class PairList {
  public:
    static constexpr std::size_t kChunk = 1 << 16;

    bool full_chunk() const { return used_ == kChunk; }

    void push(const FoundPair& pair) {
        if (used_ == kChunk) {
            std::unique_ptr<FoundPair[]> chunk(new FoundPair[kChunk]);  // its own until it has a place
            chunks_.push_back(std::move(chunk));
            used_ = 0;
        }
        chunks_.back()[used_++] = pair;
    }
    void clear() {
        chunks_.clear();
        used_ = kChunk;
    }
    // Looks at the watch between chunks; false if that ended it.
    template <class Visit>
    bool each(Watch& watch, Visit&& visit) const {
        for (std::size_t c = 0; c < chunks_.size() && watch.step(0); ++c)
            for (std::size_t i = 0; i < (c + 1 < chunks_.size() ? kChunk : used_); ++i) visit(chunks_[c][i]);
        return !watch.stopped();
    }

  private:
    std::vector<std::unique_ptr<FoundPair[]>> chunks_;
    std::size_t used_ = kChunk;  // of the last chunk
};

}  // namespace hardmine
