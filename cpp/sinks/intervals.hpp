// For tests: the interval of every pair, as a screen gives it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sinks/sink.hpp"

namespace hardmine {

class Intervals : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = false, kSifts = false, kShared = false, kOneBound = false;

    Intervals(std::size_t columns, float* lower, float* upper) : columns_(columns), lower_(lower), upper_(upper) {}

    void start(std::size_t, std::size_t) {}
    float bound(std::size_t) const { return kInfinity; }
    bool wants(std::size_t, std::uint32_t, float) const { return true; }
    template <class Score>
    bool offer(std::size_t, std::size_t query, std::uint32_t index, float lower, float upper, const Score&) {
        lower_[query * columns_ + index] = lower;
        upper_[query * columns_ + index] = upper;
        return false;
    }
    void distrust(std::size_t) {}

  private:
    std::size_t columns_;
    float *lower_, *upper_;
};

}  // namespace hardmine
