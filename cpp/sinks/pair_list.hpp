// Pairs by the million: a list that grows by chunks, so that nothing is ever moved or held twice while it grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

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

    std::size_t size() const { return chunks_.empty() ? 0 : (chunks_.size() - 1) * kChunk + used_; }
    bool full_chunk() const { return used_ == kChunk; }

    void push(const FoundPair& pair) {
        if (used_ == kChunk) {
            chunks_.emplace_back(new FoundPair[kChunk]);
            used_ = 0;
        }
        chunks_.back()[used_++] = pair;
    }
    void clear() {
        chunks_.clear();
        used_ = kChunk;
    }
    template <class Visit>
    void each(Visit&& visit) const {
        for (std::size_t c = 0; c < chunks_.size(); ++c)
            for (std::size_t i = 0; i < (c + 1 < chunks_.size() ? kChunk : used_); ++i) visit(chunks_[c][i]);
    }

  private:
    std::vector<std::unique_ptr<FoundPair[]>> chunks_;
    std::size_t used_ = kChunk;  // of the last chunk
};

}  // namespace hardmine
