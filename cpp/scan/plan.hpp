// How a scan is cut into tasks: ranges of queries x ranges of base rows, each the work of one thread.
//
// Many queries are cut by query, and every thread packs the base for itself: that costs little beside what they do with it
// (fair_queries). Few queries are cut by base row, and the partial results merge by key. Groups that must be the same are
// sorted, and each group's queries meet that group's rows only; a mask leaves a list of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "scan/blocks.hpp"
#include "terms/filter.hpp"
#include "terms/rows.hpp"

namespace hardmine {

// Of an array against itself, rows of a task: packing is for all of them, but among each other they meet from both sides.
constexpr std::size_t kLeastRange = 192, kMostRange = 1024;

// A twelfth of the rows at most, where that are not too few to pack for.
inline std::size_t range_rows(std::size_t rows) { return std::clamp(rows / 12, kLeastRange, kMostRange); }

struct Task {
    Selection rows, base;
    bool both = false;     // whether a pair is offered to its base row, too
    std::size_t part = 0;  // which of the parts of these queries this is
};

class Plan {
  public:
    // Queries x base rows; `first_query` is that of the array. most_queries: what a thread's memory holds; fair_queries: what
    // pays for a thread's packing the whole base; most_parts: into how many ranges the base may be cut.
    Plan(const Filter& filter, const Selection& queries, std::size_t first_query, const Extent& base, std::size_t most_queries,
         std::size_t fair_queries, std::size_t most_parts, int threads)
        : query_(queries) {
        list_base(filter, base);
        if (filter.groups == Groups::same)
            cut_groups(filter, {first_query, queries.count}, base, most_queries);
        else
            cut(most_queries, fair_queries, std::max<std::size_t>(1, most_parts), static_cast<std::size_t>(threads));
        measure();
    }

    // The allowed rows of one array against themselves: ranges of rows x all rows from their own start on. Within a range a
    // pair is met from both sides, beyond it once; Judge(filter, once) keeps it once.
    Plan(const Filter& filter, const Extent& rows, std::size_t range) {
        list_base(filter, rows);
        for (std::size_t begin = 0; begin < base_.count; begin += range)
            tasks_.push_back({base_.part(begin, std::min(base_.count, begin + range)), base_.part(begin, base_.count)});
        measure();
    }

    const std::vector<Task>& tasks() const { return tasks_; }
    const Selection& base() const { return base_; }
    bool complete() const { return complete_; }  // whether every query is in some task
    std::size_t parts() const { return parts_; }
    std::size_t longest() const { return longest_; }  // queries of a task
    std::size_t reach() const { return reach_; }      // base rows of a task
    std::uint64_t pairs() const { return pairs_; }

  private:
    static constexpr std::size_t kFairRows = 4096;  // fewer than fair_queries to a thread: cut the base if it is long enough;
    static constexpr std::size_t kFewQueries = 32;  // if not, fewer queries must do

    void measure() {
        for (const Task& t : tasks_) {
            longest_ = std::max(longest_, t.rows.count);
            reach_ = std::max(reach_, t.base.count);
            pairs_ += static_cast<std::uint64_t>(t.rows.count) * t.base.count;
        }
    }

    // All base rows, listed if not all are allowed or their order is to change.
    void list_base(const Filter& filter, const Extent& base) {
        base_ = {nullptr, 0, base.count};
        if (!filter.base_mask && filter.groups != Groups::same) return;
        const std::uint8_t* mask = filter.base_mask ? filter.base_mask + base.first : nullptr;
        base_ids_.reserve(base.count - (mask ? static_cast<std::size_t>(std::count(mask, mask + base.count, 0)) : 0));
        for (std::size_t j = 0; j < base.count; ++j)
            if (!mask || mask[j]) base_ids_.push_back(static_cast<std::uint32_t>(j));
        base_ = {base_ids_.data(), 0, base_ids_.size()};
    }

    void cut(std::size_t most_queries, std::size_t fair_queries, std::size_t most_parts, std::size_t threads) {
        const std::size_t n = query_.count, m = base_.count;
        if (n == 0 || m == 0) return;
        complete_ = true;
        const std::size_t needed = (n + most_queries - 1) / most_queries;
        std::size_t ranges = std::max(needed, std::min(threads, n / fair_queries));
        if (ranges < threads)
            parts_ = std::min(most_parts, std::clamp<std::size_t>(m / kFairRows, 1, (threads + ranges - 1) / ranges));
        if (ranges * parts_ < threads) ranges = std::max(ranges, std::min(threads / parts_, n / kFewQueries));
        const auto start = [&](std::size_t p) { return p == parts_ ? m : m * p / parts_ / kMostLanes * kMostLanes; };
        for (std::size_t i = 0; i < ranges; ++i)
            for (std::size_t p = 0; p < parts_; ++p)
                tasks_.push_back(
                    {query_.part(n * i / ranges, n * (i + 1) / ranges), base_.part(start(p), start(p + 1)), false, p});
    }

    void cut_groups(const Filter& filter, const Extent& queries, const Extent& base, std::size_t most_queries) {
        query_ids_.resize(queries.count);
        std::iota(query_ids_.begin(), query_ids_.end(), 0u);
        auto query_group = [&](std::uint32_t i) { return filter.query_groups[queries.first + i]; };
        auto base_group = [&](std::uint32_t j) { return filter.base_groups[base.first + j]; };
        std::stable_sort(query_ids_.begin(), query_ids_.end(),
                         [&](auto a, auto b) { return query_group(a) < query_group(b); });
        std::stable_sort(base_ids_.begin(), base_ids_.end(), [&](auto a, auto b) { return base_group(a) < base_group(b); });
        query_ = {query_ids_.data(), 0, query_ids_.size()};
        for (std::size_t q = 0, b = 0; q < query_ids_.size();) {
            const std::int64_t group = query_group(query_ids_[q]);
            std::size_t q_end = q;
            while (q_end < query_ids_.size() && query_group(query_ids_[q_end]) == group) ++q_end;
            while (b < base_ids_.size() && base_group(base_ids_[b]) < group) ++b;
            std::size_t b_end = b;
            while (b_end < base_ids_.size() && base_group(base_ids_[b_end]) == group) ++b_end;
            for (; b < b_end && q < q_end; q += most_queries)
                tasks_.push_back({query_.part(q, std::min(q + most_queries, q_end)), base_.part(b, b_end)});
            q = q_end;
            b = b_end;
        }
    }

    std::vector<std::uint32_t> query_ids_, base_ids_;
    Selection query_, base_;
    std::vector<Task> tasks_;
    bool complete_ = false;
    std::size_t parts_ = 1, longest_ = 0, reach_ = 0;
    std::uint64_t pairs_ = 0;
};

}  // namespace hardmine
