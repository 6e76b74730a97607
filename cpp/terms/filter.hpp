// Which pairs may be kept: Filter is the caller's data, Judge the one place that decides. Every index is an index of the
// caller's arrays (Rows::first added).
//
// The order is that of the costs. A scan asks first whether a pair beats a row's bound (the sink knows), then allows() (its
// own pair, groups: two loads), then the side of the window, then excludes() (a search in a list), and the canonical distance
// only where an interval straddles an end of the window. TopK looks a buffer full of pairs up in their list at once, while the
// list is in cache. What leaves few base rows (base_mask, groups = same) never reaches a scan: scan/plan.hpp makes lists of
// rows. Caps per group are left to the sinks, which count.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "terms/key.hpp"

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
    const std::uint8_t* base_mask = nullptr;  // 0: left out. Bytes, for a view of others may hold more than 0 and 1
    const float* nearer_than = nullptr;       // one per query, strict; NaN: no limit
    const float* farther_than = nullptr;
    std::size_t max_per_group = 0;  // 0: no cap
};

// A window of distances: farther_than < distance < nearer_than.
enum class Side { inside, nearer, farther };

class Judge {
  public:
    // `once`: a pair of rows of one array stands for both directions, and may be met from either. It is kept once, as
    // (query < base), and only if the filter allows it both ways, so that the order of the rows does not matter.
    explicit Judge(const Filter& filter, bool once = false)
        : filter_(filter),
          once_(once),
          open_(!once && !filter.self && !filter.query_rows && filter.groups == Groups::any && !filter.exclude_start &&
                !filter.nearer_than && !filter.farther_than) {}

    const Filter& filter() const { return filter_; }
    bool once() const { return once_; }
    bool open() const { return open_; }  // whether every pair is allowed

    // The own pair, and groups.
    [[gnu::always_inline]] bool allows(std::size_t query, std::size_t base) const {
        if (!allows_one_way(query, base)) return false;
        if (!once_) return true;
        return query < base && allows_one_way(base, query) && (!filter_.base_mask || filter_.base_mask[query]);
    }

    bool excludes(std::size_t query, std::size_t base) const {
        if (!filter_.exclude_start) return false;
        return lists(query, base) || (once_ && lists(base, query));
    }

    bool has_window() const { return filter_.nearer_than || filter_.farther_than; }
    bool has_floor() const { return filter_.farther_than != nullptr; }

    // No pair of a query farther than the first, or no farther than the second, is inside its window.
    float farthest(std::size_t query) const {
        if (!filter_.nearer_than || std::isnan(filter_.nearer_than[query])) return kInfinity;
        return std::nextafter(filter_.nearer_than[query], -kInfinity);
    }
    float floor(std::size_t query) const { return filter_.farther_than[query]; }

    // Decided on the canonical distance, at once where the interval straddles an end: a pair that might be outside must not
    // tighten a bound. Where it was scored the interval becomes a point.
    template <class Score>
    Side side(std::size_t query, std::size_t base, float& lower, float& upper, Score&& score) const {
        if (is_near(query, base, upper)) return Side::nearer;
        if (is_far(query, base, lower)) return Side::farther;
        if (!is_near(query, base, lower) && !is_far(query, base, upper)) return Side::inside;
        lower = upper = score();
        return is_near(query, base, lower) ? Side::nearer : is_far(query, base, lower) ? Side::farther : Side::inside;
    }

  private:
    bool allows_one_way(std::size_t query, std::size_t base) const {
        if (filter_.self && query == base) return false;
        if (filter_.query_rows && filter_.query_rows[query] == static_cast<std::int64_t>(base)) return false;
        return filter_.groups == Groups::any ||
               (filter_.groups == Groups::same) == (filter_.query_groups[query] == filter_.base_groups[base]);
    }

    bool is_near(std::size_t query, std::size_t base, float distance) const {
        if (!filter_.farther_than) return false;
        return distance <= filter_.farther_than[query] || (once_ && distance <= filter_.farther_than[base]);
    }
    bool is_far(std::size_t query, std::size_t base, float distance) const {
        if (!filter_.nearer_than) return false;
        return distance >= filter_.nearer_than[query] || (once_ && distance >= filter_.nearer_than[base]);
    }

    // A binary search without branches, which no pattern would predict: half the time of std::binary_search in 500.
    bool lists(std::size_t query, std::size_t base) const {
        const std::int64_t* first = filter_.exclude_indices + filter_.exclude_start[query];
        const auto wanted = static_cast<std::int64_t>(base);
        auto count = static_cast<std::size_t>(filter_.exclude_start[query + 1] - filter_.exclude_start[query]);
        if (count == 0) return false;
        while (count > 1) {
            const std::size_t half = count / 2;
            first += first[half] <= wanted ? half : 0;
            count -= half;
        }
        return *first == wanted;
    }

    const Filter& filter_;
    bool once_, open_;
};

}  // namespace hardmine
