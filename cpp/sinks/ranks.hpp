// How many rows of a query come before each of its places, in the order of (distance, index): the rank of a row, without the
// rows before it.
//
// A place is a key (terms/key.hpp), be it of a row or not. A pair counts for the first place after it, so that sums along the
// places of a query are its ranks; it is scored only where its interval straddles a place.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "sinks/sink.hpp"
#include "terms/key.hpp"

namespace hardmine {

// The places of query i are keys[start[i]] ... keys[start[i + 1] - 1], ascending.
struct Places {
    const std::int64_t* start;
    std::vector<Key> keys;
};

class Ranks : public HearsNothing {
  public:
    static constexpr bool kInOrder = false, kOfRows = true, kSifts = false, kShared = false, kOneBound = false;

    // Adds to counts, one for each place; where queries are cut by base rows, other threads do so, too.
    Ranks(std::size_t rows, const Places& places, std::uint32_t* counts, std::atomic<bool>& distrusted)
        : places_(places), counts_(counts), distrusted_(distrusted), state_(rows) {}

    static std::size_t bytes_per_row() { return sizeof(State); }

    void start(std::size_t row, std::size_t query) {
        const Key* keys = places_.keys.data();
        const Key *begin = keys + places_.start[query], *end = keys + places_.start[query + 1];
        state_[row] = begin == end ? State{std::numeric_limits<float>::lowest(), 0, begin, end}
                                   : State{distance_of(end[-1]), end[-1], begin, end};
    }

    float bound(std::size_t row) const { return state_[row].bound; }
    bool wants(std::size_t row, std::uint32_t index, float lower) const { return make_key(lower, index) < state_[row].last; }

    template <class Score>
    bool offer(std::size_t row, std::size_t, std::uint32_t index, float lower, float upper, const Score& score) {
        const State& s = state_[row];
        const Key* after = std::upper_bound(s.begin, s.end, make_key(lower, index));
        if (after != s.end && make_key(upper, index) >= *after) {
            const float distance = score(index);
            if (!(lower <= distance && distance <= upper)) distrust(row);
            after = std::upper_bound(s.begin, s.end, make_key(distance, index));
        }
        if (after == s.end) return false;  // it was wanted by a lower end that the filter has raised since, or by no more
        std::atomic_ref(counts_[after - places_.keys.data()]).fetch_add(1, std::memory_order_relaxed);
        return false;
    }

    void distrust(std::size_t) { distrusted_ = true; }

  private:
    struct State {
        float bound;
        Key last;  // of the places; 0, which no pair comes before, where there are none
        const Key *begin, *end;
    };
    const Places& places_;
    std::uint32_t* counts_;
    std::atomic<bool>& distrusted_;
    std::vector<State> state_;
};

}  // namespace hardmine
