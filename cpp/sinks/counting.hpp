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

#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/key.hpp"

namespace hardmine {

class CountingTopK : public HearsNothing {
  public:
    static constexpr bool kInOrder = true, kOfRows = true, kSifts = false, kShared = false, kOneBound = false;

    struct Pair {
        std::uint32_t distance, index;
    };

    // Distances are less than `levels`; `reach` is the most pairs a row can be offered. No cap per group.
    CountingTopK(std::size_t rows, std::size_t k, std::size_t reach, std::size_t levels, const Judge& judge)
        : judge_(judge),
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
        const float farthest = std::clamp(judge_.farthest(query), -1.0f, static_cast<float>(levels_ - 1));
        s = {static_cast<std::int32_t>(std::floor(farthest)), 0, 0, false};
    }

    // Between start() and the first offer: a bound that nothing proves (scan/guess.hpp).
    void limit(std::size_t row, float distance) {
        if (!(distance < bound(row))) return;
        state_[row].limit = static_cast<std::int32_t>(distance);
        state_[row].guessed = true;
    }
    // Whether it kept fewer than k, so that some may lie beyond the limit.
    bool fell_short(std::size_t row) const { return state_[row].guessed && state_[row].kept < k_; }
    // No neighbour is farther: the limit leaves the last of them out.
    float farthest_kept(std::size_t row, std::size_t) const { return bound(row) + 1; }

    // The largest distance that can still be kept; -1: none.
    float bound(std::size_t row) const { return static_cast<float>(state_[row].limit); }
    bool wants(std::size_t row, std::uint32_t, float distance) const { return distance <= bound(row); }

    template <class Score>
    bool offer(std::size_t row, std::size_t, std::uint32_t index, float exact, float, const Score&) {
        State& s = state_[row];
        const auto distance = static_cast<std::uint32_t>(exact);
        std::uint32_t* counts = &counts_[row * levels_];
        if (s.kept == capacity_) compact(row);
        buffer_[row * capacity_ + s.kept++] = {distance, index};
        ++counts[distance];
        if (++s.within < k_) return false;
        while (s.limit >= 0 && s.within >= k_) s.within -= counts[s.limit--];
        return true;
    }

    void distrust(std::size_t) {}  // nothing here can be wrong
    template <class Score>
    bool settle(std::size_t, std::size_t, const Score&) {
        return true;
    }

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
        std::int32_t limit;  // distance <= limit
        std::size_t kept;    // pairs in the buffer
        std::size_t within;  // of these, within the limit: fewer than k
        bool guessed;        // whether the limit began as a guess
    };

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

    const Judge& judge_;
    std::size_t k_, capacity_, levels_;
    std::unique_ptr<Pair[]> buffer_;
    std::vector<std::uint32_t> counts_;
    std::vector<State> state_;
    std::vector<std::size_t> first_;  // scratch of take()
};

}  // namespace hardmine
