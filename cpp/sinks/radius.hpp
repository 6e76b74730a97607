// All pairs within a radius: a thread's list of them.
//
// Memory grows with the answer alone, and where that is more than the caller wants the rest is only counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "sinks/pair_list.hpp"
#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/watch.hpp"

namespace hardmine {

// What the threads of a call share.
struct RadiusTotals {
    std::uint64_t most;                   // pairs to keep; beyond it they are counted
    std::atomic<std::uint64_t> found{0};  // in whole chunks while the scan runs
    std::atomic<bool> distrusted{false}, out_of_memory{false};
};

class Radius : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = false, kSifts = false, kShared = false, kOneBound = false;

    // `radius` is one a query, inclusive. The watch is stopped where memory ends.
    Radius(std::size_t rows, const Judge& judge, const float* radius, RadiusTotals& totals, Watch& watch)
        : judge_(judge), radius_(radius), totals_(totals), watch_(watch), bound_(rows) {}

    static std::size_t bytes_per_row() { return sizeof(float); }

    void start(std::size_t row, std::size_t query) { bound_[row] = radius_[query]; }

    float bound(std::size_t row) const { return bound_[row]; }
    bool wants(std::size_t row, std::uint32_t, float lower) const { return lower <= bound_[row]; }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float lower, float upper, const Score& score) {
        const float distance = lower == upper ? lower + 0.0f : score(index);  // never -0
        if (!(lower <= distance && distance <= upper)) distrust(row);
        if (distance > bound_[row] || (judge_.once() && distance > radius_[index])) return false;
        ++found_;
        if (!counts_only_) keep({static_cast<std::uint32_t>(query), index, distance});
        return false;
    }

    void distrust(std::size_t) { totals_.distrusted = true; }

    // What has not been added to the totals yet.
    void finish() {
        totals_.found += found_;
        found_ = 0;
    }
    PairList& pairs() { return pairs_; }

  private:
    void keep(const FoundPair& pair) {
        try {
            pairs_.push(pair);
        } catch (const std::bad_alloc&) {
            totals_.out_of_memory = true;
            watch_.stop();
            give_up();
        }
        if (!pairs_.full_chunk()) return;
        finish();
        if (totals_.found > totals_.most) give_up();
    }
    void give_up() {
        counts_only_ = true;
        pairs_.clear();
    }

    const Judge& judge_;
    const float* radius_;
    RadiusTotals& totals_;
    Watch& watch_;
    std::vector<float> bound_;
    PairList pairs_;
    std::uint64_t found_ = 0;
    bool counts_only_ = false;
};

}  // namespace hardmine
