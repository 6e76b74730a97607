// Which pairs may be kept, as data. Every index is an index of the caller's arrays (Rows::first added).
//
// The scan asks allows() only for pairs that already beat a row's bound. Exclusion lists are the sink's: it looks a buffer
// full of pairs up at once, while the list is in cache. So are the distance window and the cap per group, since the sink knows
// the distances. What leaves few base rows (base_mask, groups = same) never reaches the scan: plan.hpp makes lists of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hardmine {

enum class Groups { any, different, same };

struct Filter {
    bool self = false;                         // queries and base are one array: leave out each row's own pair
    const std::int64_t* query_rows = nullptr;  // the base row that each query is, which is left out; -1: none
    Groups groups = Groups::any;
    const std::int64_t* query_groups = nullptr;
    const std::int64_t* base_groups = nullptr;
    const std::int64_t* exclude_start = nullptr;  // CSR: the excluded base rows of each query, ascending
    const std::int64_t* exclude_indices = nullptr;
    const bool* base_mask = nullptr;
    const float* nearer_than = nullptr;  // one per query, strict; NaN: no limit
    const float* farther_than = nullptr;
    std::size_t max_per_group = 0;  // 0: no cap

    bool allows(std::size_t query, std::size_t base) const {
        if (self && query == base) return false;
        if (query_rows && query_rows[query] == static_cast<std::int64_t>(base)) return false;
        return groups != Groups::different || query_groups[query] != base_groups[base];
    }
    // A binary search without branches, which no pattern would predict: half the time of std::binary_search in 500.
    bool excludes(std::size_t query, std::size_t base) const {
        const std::int64_t* first = exclude_indices + exclude_start[query];
        const auto wanted = static_cast<std::int64_t>(base);
        auto count = static_cast<std::size_t>(exclude_start[query + 1] - exclude_start[query]);
        if (count == 0) return false;
        while (count > 1) {
            const std::size_t half = count / 2;
            first += first[half] <= wanted ? half : 0;
            count -= half;
        }
        return *first == wanted;
    }
};

}  // namespace hardmine
