// The nearest of all pairs, in the order of (distance, row, column): one list for all threads, and one bound that tightens as
// the scan runs.
//
// Few pairs are ever offered once the bound is known, so each is scored at once, by the thread that met it, and the list holds
// exact pairs only. Where pairs are equal (thousands of duplicates) rows and columns decide, so the bound is a whole pair. It
// is read without the lock: its distance first, then the rest. The writer stores them the other way round, so whoever reads an
// old distance rejects by it only pairs that the new one would reject too, and whoever reads a new one has the rest that
// belongs to it or a later one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <utility>
#include <vector>

#include "sinks/ordering.hpp"
#include "sinks/pair_list.hpp"
#include "sinks/shared.hpp"
#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/watch.hpp"

namespace hardmine {

class ClosestPairs {
  public:
    // `reach` is the most pairs that there are; memory follows those that are found. With a cap per group a query has at most
    // as many pairs of a base group.
    ClosestPairs(std::size_t n_pairs, std::uint64_t reach, const Filter& filter)
        : n_(n_pairs),
          cap_(filter.max_per_group),
          groups_(filter.base_groups),
          most_(static_cast<std::size_t>(std::min<std::uint64_t>(2 * n_pairs + kSpare, reach))) {}

    float bound() const { return distance_.load(std::memory_order_acquire); }

    bool wants(std::uint32_t row, std::uint32_t col, float lower) const {
        const float distance = bound();
        return lower < distance || (lower == distance && number(row, col) <= rest_.load(std::memory_order_relaxed));
    }

    // Returns whether the bound became tighter. The watch is looked at while a selection is going on, by whoever waits for it,
    // too, and stopped where memory ends.
    bool offer(const FoundPair& pair, Watch& watch) {
        const Locked locked(lock_, [&] { watch.step(0); });
        if (watch.stopped() || !wants(pair.row, pair.col, pair.distance)) return false;
        try {
            if (pairs_.size() == pairs_.capacity() && !grow(watch)) return false;
            pairs_.push_back(pair);
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
            watch.stop();
            return false;
        }
        if (pairs_.size() < most_ || pairs_.size() <= n_) return false;
        return keep_nearest(watch);
    }

    // The pairs in ascending order; the list is spent. In no order if the watch ended it.
    std::vector<FoundPair>& sorted(Watch& watch) {
        keep_nearest(watch);
        sort(std::less<FoundPair>(), watch);
        return pairs_;
    }

    std::atomic<bool> distrusted{false}, out_of_memory{false};

  private:
    static constexpr std::size_t kSpare = 1024;

    static std::uint64_t number(std::uint32_t row, std::uint32_t col) { return std::uint64_t{row} << 32 | col; }

    // As reserve() does, but in parts: a list of many million pairs takes seconds to move where memory is new. False if the watch
    // ended it.
    bool grow(Watch& watch) {
        constexpr std::size_t kPart = 1 << 20;
        std::vector<FoundPair> larger;
        larger.reserve(std::min(most_, 2 * pairs_.size() + kSpare));
        for (std::size_t begin = 0; begin < pairs_.size(); begin += kPart) {
            if (!watch.step(0)) return false;
            const std::size_t end = std::min(begin + kPart, pairs_.size());
            larger.insert(larger.end(), pairs_.begin() + static_cast<std::ptrdiff_t>(begin),
                          pairs_.begin() + static_cast<std::ptrdiff_t>(end));
        }
        pairs_.swap(larger);
        return true;
    }

    template <class Less>
    bool sort(Less&& less, Watch& watch) {
        return watched(watch, less, [&](auto&& watched_less) { std::sort(pairs_.begin(), pairs_.end(), watched_less); });
    }

    // Returns whether the bound became tighter.
    bool keep_nearest(Watch& watch) {
        if (cap_ && !drop_capped(watch)) return false;
        if (pairs_.size() <= n_) return false;
        const auto last = pairs_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
        if (!watched(watch, std::less<FoundPair>(),
                     [&](auto&& less) { std::nth_element(pairs_.begin(), last, pairs_.end(), less); }))
            return false;
        rest_.store(number(last->row, last->col), std::memory_order_relaxed);
        distance_.store(last->distance, std::memory_order_release);
        pairs_.resize(n_);
        return true;
    }

    // Keeps the first pairs of each query and group: what is dropped is beyond as many nearer ones, whatever is still to come.
    bool drop_capped(Watch& watch) {
        const auto of = [&](const FoundPair& pair) { return std::pair(pair.row, groups_[pair.col]); };
        if (!sort([&](const FoundPair& a, const FoundPair& b) { return of(a) != of(b) ? of(a) < of(b) : a < b; }, watch))
            return false;
        std::size_t kept = 0;
        for (std::size_t i = 0, first = 0; i < pairs_.size(); ++i) {
            if (i == 0 || of(pairs_[i]) != of(pairs_[i - 1])) first = i;
            if (i - first < cap_) pairs_[kept++] = pairs_[i];
        }
        pairs_.resize(kept);
        return true;
    }

    std::size_t n_, cap_;
    const std::int64_t* groups_;
    std::size_t most_;  // pairs in the list, before it is cut to the n nearest
    std::vector<FoundPair> pairs_;
    std::atomic_flag lock_;
    std::atomic<float> distance_{kInfinity};
    std::atomic<std::uint64_t> rest_{~std::uint64_t{0}};
};

// A thread's way to them.
class Closest : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = false, kSifts = false, kShared = true, kOneBound = true;

    Closest(std::size_t rows, ClosestPairs& pairs, Watch& watch) : pairs_(pairs), watch_(watch), query_(rows) {}

    static std::size_t bytes_per_row() { return sizeof(std::uint32_t); }

    void start(std::size_t row, std::size_t query) { query_[row] = static_cast<std::uint32_t>(query); }

    float bound(std::size_t) const { return pairs_.bound(); }
    bool wants(std::size_t row, std::uint32_t index, float lower) const { return pairs_.wants(query_[row], index, lower); }

    template <class Score>
    bool offer(std::size_t row, std::size_t, std::uint32_t index, float lower, float upper, const Score& score) {
        const float distance = lower == upper ? lower + 0.0f : score(index);  // never -0
        if (!(lower <= distance && distance <= upper)) distrust(row);
        return pairs_.wants(query_[row], index, distance) && pairs_.offer({query_[row], index, distance}, watch_);
    }

    void distrust(std::size_t) { pairs_.distrusted = true; }

  private:
    ClosestPairs& pairs_;
    Watch& watch_;
    std::vector<std::uint32_t> query_;
};

}  // namespace hardmine
