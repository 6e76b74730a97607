// How many pairs lie between the thresholds of a list, however long it is: a thread's counts.
//
// A pair is scored only where its interval straddles a threshold, and not even looked at beyond the last one. The bin of a
// distance is found in two steps: the leading bits of its key lead to a few thresholds, a binary search among these to the
// one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sinks/sink.hpp"
#include "terms/key.hpp"

namespace hardmine {

// Bin b is [thresholds[b], thresholds[b + 1]). The last threshold may be NaN: then the last bin has no end.
class Bins {
  public:
    static constexpr std::size_t kNone = ~std::size_t{0};

    // At least two thresholds, ascending.
    Bins(const float* thresholds, std::size_t count)
        : thresholds_(thresholds),
          count_(count),
          first_(ordered(thresholds[0])),
          last_(std::isnan(thresholds[count - 1]) ? ~0u : ordered(thresholds[count - 1])) {
        while ((last_ - first_) >> shift_ >= kCells) ++shift_;
        start_.resize(((last_ - first_) >> shift_) + 2);
        for (std::size_t cell = 0, t = 0; cell + 1 < start_.size(); ++cell) {
            while (t < size() && (ordered(thresholds[t]) - first_) >> shift_ < cell) ++t;
            start_[cell] = static_cast<std::uint32_t>(t);
        }
        start_.back() = static_cast<std::uint32_t>(size());
    }

    std::size_t size() const { return count_ - 1; }
    float farthest() const {
        const float last = thresholds_[count_ - 1];
        return std::isnan(last) ? kInfinity : std::nextafter(last, -kInfinity);
    }

    // size() beyond the last, kNone before the first.
    std::size_t of(float distance) const {
        const std::uint32_t key = ordered(distance);
        if (key < first_) return kNone;
        if (key >= last_) return size();
        const std::uint32_t cell = (key - first_) >> shift_;
        const float *begin = thresholds_ + start_[cell], *end = thresholds_ + start_[cell + 1];
        return static_cast<std::size_t>(std::upper_bound(begin, end, distance) - thresholds_) - 1;
    }

  private:
    static constexpr std::uint32_t kCells = 1 << 16;
    static std::uint32_t ordered(float x) { return static_cast<std::uint32_t>(make_key(x, 0) >> 32); }

    const float* thresholds_;
    std::size_t count_;
    std::uint32_t first_, last_, shift_ = 0;
    std::vector<std::uint32_t> start_;  // the first threshold of each cell
};

// Same group and other are told apart if groups are given.
struct Split {
    const std::int64_t *query_groups = nullptr, *base_groups = nullptr;

    std::size_t tables() const { return query_groups ? 2 : 1; }
    std::size_t table(std::size_t query, std::size_t base) const {
        return query_groups && query_groups[query] != base_groups[base];
    }
};

class Histogram : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = false, kSifts = false, kShared = false, kOneBound = false;

    Histogram(const Bins& bins, const Split& split, std::atomic<bool>& distrusted)
        : bins_(bins),
          split_(split),
          farthest_(bins.farthest()),
          distrusted_(distrusted),
          counts_(split.tables() * bins.size()) {}

    void start(std::size_t, std::size_t) {}

    float bound(std::size_t) const { return farthest_; }
    bool wants(std::size_t, std::uint32_t, float lower) const { return lower <= farthest_; }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float lower, float upper, const Score& score) {
        std::size_t bin = bins_.of(lower);
        if (upper != lower && bins_.of(upper) != bin) {
            const float distance = score(index);
            if (!(lower <= distance && distance <= upper)) distrust(row);
            bin = bins_.of(distance);
        }
        if (bin < bins_.size()) ++counts_[split_.table(query, index) * bins_.size() + bin];
        return false;
    }

    void distrust(std::size_t) { distrusted_ = true; }

    void add_to(std::uint64_t* counts) const {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts[i] += counts_[i];
    }

  private:
    const Bins& bins_;
    const Split& split_;
    float farthest_;
    std::atomic<bool>& distrusted_;
    std::vector<std::uint64_t> counts_;
};

}  // namespace hardmine
