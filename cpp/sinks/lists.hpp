// The answer of a search as a value: a list of neighbours for each row, in the order of (distance, index), in arrays of the
// caller's. It can be stored, merged with another, and loaded back into a sink.
//
// One merge serves all parts of an answer: those of ranges of base rows that threads took, of blocks that were converted one
// by one, of chunks and of machines. It is associative and commutative, since (distance, index) orders everything, and
// idempotent, since a pair has the same distance everywhere: an entry that occurs twice is kept once. With a cap per group it
// is the greedy choice once more: what the choice in one part has left out is left out in the whole, for the same pairs are
// before it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "terms/key.hpp"

namespace hardmine {

// Distances are float, or int32 for codes; missing entries, at the end, have the index -1.
template <class Distance>
struct Lists {
    Distance* distances;
    std::conditional_t<std::is_const_v<Distance>, const std::int64_t, std::int64_t>* indices;
    std::size_t k;

    static constexpr Distance kNone = std::is_same_v<std::remove_const_t<Distance>, float>
                                          ? std::numeric_limits<Distance>::infinity()
                                          : std::numeric_limits<Distance>::max();

    void write(std::size_t row, const Key* keys, std::size_t found) const {
        for (std::size_t i = 0; i < k; ++i) {
            distances[row * k + i] = i < found ? static_cast<Distance>(distance_of(keys[i])) : kNone;
            indices[row * k + i] = i < found ? static_cast<std::int64_t>(index_of(keys[i])) : -1;
        }
    }
    Lists from(std::size_t row) const { return {distances + row * k, indices + row * k, k}; }
};

class ListMerge {
  public:
    // base_groups: null without a cap. `most`: entries of a row in all parts together, for which memory is taken here.
    ListMerge(const std::int64_t* base_groups, std::size_t max_per_group, std::size_t most)
        : groups_(base_groups), cap_(max_per_group) {
        entries_.reserve(most);
        if (!cap_) return;
        members_.reserve(most);
        kept_.reserve(most);
    }

    // Merges one row of each part into the first row of `out`.
    template <class Distance>
    void row(const std::vector<Lists<const Distance>>& parts, std::size_t row, const Lists<Distance>& out) {
        entries_.clear();
        for (const auto& part : parts)
            for (std::size_t i = row * part.k; i < (row + 1) * part.k; ++i)
                if (part.indices[i] >= 0)
                    entries_.push_back({ordered(part.distances[i]), part.indices[i], &part.distances[i]});
        std::sort(entries_.begin(), entries_.end());
        entries_.erase(std::unique(entries_.begin(), entries_.end()), entries_.end());
        if (cap_) keep_capped();
        const std::size_t found = std::min(out.k, entries_.size());
        for (std::size_t i = 0; i < out.k; ++i) {
            out.distances[i] = i < found ? *static_cast<const Distance*>(entries_[i].distance) : Lists<Distance>::kNone;
            out.indices[i] = i < found ? entries_[i].index : -1;
        }
    }

  private:
    struct Entry {
        std::uint32_t order;
        std::int64_t index;
        const void* distance;
        bool operator<(const Entry& other) const { return std::pair(order, index) < std::pair(other.order, other.index); }
        bool operator==(const Entry& other) const { return order == other.order && index == other.index; }
    };

    // NaN, which only a caller's array can hold, comes last.
    static std::uint32_t ordered(float distance) {
        return std::isnan(distance) ? ~0u : static_cast<std::uint32_t>(make_key(distance, 0) >> 32);
    }
    static std::uint32_t ordered(std::int32_t distance) { return static_cast<std::uint32_t>(distance) ^ 0x80000000u; }

    // The first `cap` entries of each group.
    void keep_capped() {
        members_.clear();
        for (std::size_t i = 0; i < entries_.size(); ++i)
            members_.push_back({groups_[static_cast<std::size_t>(entries_[i].index)], i});
        std::sort(members_.begin(), members_.end());
        kept_.clear();
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (i < cap_ || members_[i - cap_].first != members_[i].first) kept_.push_back(members_[i].second);
        std::sort(kept_.begin(), kept_.end());
        for (std::size_t i = 0; i < kept_.size(); ++i) entries_[i] = entries_[kept_[i]];
        entries_.resize(kept_.size());
    }

    const std::int64_t* groups_;
    std::size_t cap_;
    std::vector<Entry> entries_;
    std::vector<std::pair<std::int64_t, std::size_t>> members_;
    std::vector<std::size_t> kept_;
};

}  // namespace hardmine
