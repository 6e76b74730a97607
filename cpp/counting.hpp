// The k nearest codes of each row, by counting. Distances are small integers: a count at each of them says at once how near a
// pair must be, and the pairs kept need no comparison but that.
//
// Pairs come in the order of their indices. As soon as k pairs are known within some distance, a later one at that distance
// is after all of them, so the limit falls below it: a row is offered hardly more than it keeps, however many are equal, and
// k costs no more than its pairs. At the end the pairs are spread over their distances, which keeps equal ones in order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "filter.hpp"
#include "key.hpp"

namespace hardmine {

class CountingTopK {
  public:
    using Value = std::int32_t;
    static constexpr bool kInOrder = true;  // pairs must be offered in the order of their indices

    struct Pair {
        std::uint32_t distance, index;
    };

    // Distances are less than `levels`; `reach` is the most pairs a row can be offered. No cap per group.
    CountingTopK(std::size_t rows, std::size_t k, std::size_t reach, std::size_t levels, const Filter& filter)
        : filter_(filter),
          k_(k),
          capacity_(capacity(k, reach)),
          levels_(levels),
          buffer_(new Pair[rows * capacity_]),
          counts_(rows * levels),
          state_(rows),
          first_(levels + 1) {}

    // Twice k and a few: what falls out pays for the pass that finds it.
    static std::size_t capacity(std::size_t k, std::size_t reach) {
        return std::max<std::size_t>(1, std::min(2 * k + 64, reach));
    }
    static std::size_t bytes_per_row(std::size_t k, std::size_t reach, std::size_t levels) {
        return capacity(k, reach) * sizeof(Pair) + levels * sizeof(std::uint32_t) + sizeof(State);
    }

    void start(std::size_t row, std::size_t query) {
        std::fill_n(&counts_[row * levels_], levels_, 0u);
        State& s = state_[row];
        s = {static_cast<std::int32_t>(levels_) - 1, -1, 0, 0, 0, false};
        if (filter_.nearer_than && filter_.nearer_than[query] < static_cast<float>(levels_))
            s.limit = static_cast<std::int32_t>(std::ceil(std::max(filter_.nearer_than[query], 0.0f))) - 1;
        if (filter_.farther_than && filter_.farther_than[query] >= 0)
            s.floor = static_cast<std::int32_t>(std::min(filter_.farther_than[query], static_cast<float>(levels_)));
        if (filter_.exclude_start) s.excluded = filter_.exclude_start[query];
        if (row == 0) fell_short_ = false;
        if (guess_ && (*guess_)[row] < bound(row)) {
            s.limit = static_cast<std::int32_t>((*guess_)[row]);
            s.guessed = true;
        }
    }

    // Rows begin with these limits until the next call, although nothing proves them; see fell_short().
    void guess(const std::vector<float>* limits) { guess_ = limits; }

    // Whether one of the rows that began with a guess kept fewer than k, and may have missed some.
    bool fell_short() const { return fell_short_; }

    // The largest distance that can still be kept; -1: none.
    float bound(std::size_t row) const { return static_cast<float>(state_[row].limit); }
    bool wants(std::size_t row, std::int32_t distance, std::uint32_t) const {
        return distance <= state_[row].limit && distance > state_[row].floor;
    }

    // Offers a wanted pair. Returns whether the bound became tighter.
    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::int32_t distance, std::int32_t, std::uint32_t index, const Score&) {
        State& s = state_[row];
        if (excluded(s, query, index)) return false;
        std::uint32_t* counts = &counts_[row * levels_];
        if (s.kept == capacity_) compact(row);
        buffer_[row * capacity_ + s.kept++] = {static_cast<std::uint32_t>(distance), index};
        ++counts[distance];
        if (++s.within < k_) return false;
        while (s.limit >= 0 && s.within >= k_) s.within -= counts[s.limit--];
        return true;
    }

    // Nothing here can be wrong: see sinks.hpp.
    template <class Score>
    bool settle(std::size_t row, std::size_t, const Score&) {
        fell_short_ |= state_[row].guessed && state_[row].kept < k_;
        return true;
    }

    // The keys of a row in ascending order, at most k of them; the row is spent.
    std::size_t take(std::size_t row, Key* keys) {
        const State& s = state_[row];
        const std::uint32_t* counts = &counts_[row * levels_];
        first_[0] = 0;
        for (std::size_t d = 0; d < levels_; ++d) first_[d + 1] = first_[d] + counts[d];
        const Pair* pairs = &buffer_[row * capacity_];
        for (std::size_t i = 0; i < s.kept; ++i) {
            const std::size_t at = first_[pairs[i].distance]++;
            if (at < k_) keys[at] = make_key(static_cast<float>(pairs[i].distance), pairs[i].index);
        }
        return std::min(k_, s.kept);
    }

  private:
    struct State {
        std::int32_t limit, floor;  // floor < distance <= limit
        std::size_t kept;           // pairs in the buffer
        std::size_t within;         // of these, within the limit: fewer than k
        std::int64_t excluded;      // the first exclusion that may still come
        bool guessed;               // whether the limit began as a guess
    };

    bool excluded(State& s, std::size_t query, std::uint32_t index) const {
        if (!filter_.exclude_start) return false;
        const std::int64_t* end = filter_.exclude_indices + filter_.exclude_start[query + 1];
        const std::int64_t* at = std::lower_bound(filter_.exclude_indices + s.excluded, end, static_cast<std::int64_t>(index));
        s.excluded = at - filter_.exclude_indices;
        return at < end && *at == static_cast<std::int64_t>(index);
    }

    // Keeps all pairs within the limit, and of those just beyond it the first, so that there are k.
    void compact(std::size_t row) {
        State& s = state_[row];
        std::uint32_t* counts = &counts_[row * levels_];
        Pair* pairs = &buffer_[row * capacity_];
        const auto beyond = static_cast<std::uint32_t>(s.limit + 1);
        const auto room = static_cast<std::uint32_t>(k_ - s.within);
        std::size_t kept = 0;
        std::uint32_t taken = 0;
        for (std::size_t i = 0; i < s.kept; ++i) {  // without branches: which pairs stay has no pattern
            const Pair pair = pairs[i];
            const bool last = pair.distance == beyond && taken < room;
            pairs[kept] = pair;
            kept += static_cast<std::size_t>(pair.distance < beyond) + last;
            taken += last;
        }
        std::fill(counts + beyond + (beyond < levels_), counts + levels_, 0u);
        if (beyond < levels_) counts[beyond] = std::min(counts[beyond], room);
        s.kept = kept;
    }

    const Filter& filter_;
    std::size_t k_, capacity_, levels_;
    std::unique_ptr<Pair[]> buffer_;
    std::vector<std::uint32_t> counts_;
    std::vector<State> state_;
    std::vector<std::size_t> first_;  // scratch of take()
    const std::vector<float>* guess_ = nullptr;
    bool fell_short_ = false;
};

}  // namespace hardmine
