// How many rows a cap per group leaves to each query, where the groups are so few that this may be less than k.
//
// Without it a row whose cap cannot fill k never learns a bound: every pair of the scan would be offered to it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "terms/filter.hpp"
#include "terms/rows.hpp"

namespace hardmine {

class GroupCaps {
  public:
    // Counts until k rows are certain for every query: at most 2k + 1 groups are remembered.
    GroupCaps(const Filter& filter, const Extent& base, std::size_t k)
        : filter_(filter), base_(base), k_(k), cap_(std::min(filter.max_per_group, k)) {
        if (!cap_) return;
        for (std::size_t j = base.first; j < base.first + base.count && total_ <= k_ + cap_; ++j)
            if (!filter.base_mask || filter.base_mask[j]) total_ += sizes_[filter.base_groups[j]]++ < cap_;
    }

    // The most rows a query can keep, k at most. Exclusions and windows may leave fewer.
    std::size_t most(std::size_t query) const {
        if (!cap_ || total_ > k_ + cap_) return k_;
        const bool same = filter_.groups == Groups::same, different = filter_.groups == Groups::different;
        const std::int64_t group = filter_.query_groups ? filter_.query_groups[query] : 0;
        const std::size_t own = own_row(query);
        const bool in_group = own != kNone && (same || different) && filter_.base_groups[own] == group;
        if (same) return std::min(kept(group, in_group), k_);
        std::size_t left = total_ - (different ? kept(group, false) : 0);
        if (own != kNone && !in_group) left -= kept(filter_.base_groups[own], false) - kept(filter_.base_groups[own], true);
        return std::min(left, k_);
    }

  private:
    static constexpr std::size_t kNone = ~std::size_t{0};

    // The base row that a query itself is, if it was counted.
    std::size_t own_row(std::size_t query) const {
        if (!filter_.self && !filter_.query_rows) return kNone;
        const std::size_t own = filter_.self ? query : static_cast<std::size_t>(filter_.query_rows[query]);
        if (own < base_.first || own - base_.first >= base_.count) return kNone;
        return filter_.base_mask && !filter_.base_mask[own] ? kNone : own;
    }

    // Of a group, of which one row may be the query's own.
    std::size_t kept(std::int64_t group, bool own_row) const {
        const auto found = sizes_.find(group);
        return found == sizes_.end() ? 0 : std::min(cap_, found->second - (own_row ? 1 : 0));
    }

    const Filter& filter_;
    Extent base_;
    std::size_t k_, cap_, total_ = 0;
    std::unordered_map<std::int64_t, std::size_t> sizes_;
};

}  // namespace hardmine
