// How far the k-th neighbour of each query will be, guessed from every 64th code.
//
// A row that knows no bound yet keeps all it is offered: in random order k (1 + log(m / k)) pairs for k neighbours, six times
// too many for 5,000 of a million. Of every 64th code about r = k / 64 are among the k nearest; their number is a sum of
// independent draws with a deviation below sqrt(r), so within the distance of the (r + 5 sqrt(r) + 10)-th of the sample there
// are k codes but once in a million rows. A guess proves nothing: a row that finds fewer than k with it is searched again
// without.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "code_screens.hpp"
#include "counting.hpp"
#include "engine.hpp"
#include "plan.hpp"
#include "scan.hpp"

namespace hardmine {

class Guess {
  public:
    static constexpr std::size_t kEvery = 64;
    static constexpr std::size_t kLeast = 128;  // fewer neighbours are found as fast without
    static constexpr std::size_t kRows = 16;    // codes for each neighbour that make a guess worth its while

    static std::size_t rank(std::size_t k) {
        const double r = static_cast<double>(k) / kEvery;
        return static_cast<std::size_t>(r + 5 * std::sqrt(r) + 10);
    }
    // Whether some task of a search may want one, and whether this task does.
    static bool serves(std::size_t k, const Filter& filter) {
        return k >= kLeast && !filter.farther_than && !filter.max_per_group;
    }
    static bool serves(const Task& task, std::size_t k) {
        return task.base_end - task.base_begin >= kRows * k && task.query_end - task.query_begin > FewCodeScreen::kMostQueries;
    }
    static std::size_t bytes_per_row(std::size_t k, std::size_t reach, std::size_t levels) {
        return CountingTopK::bytes_per_row(rank(k), reach, levels) + sizeof(float);
    }

    static std::size_t bytes(std::size_t reach) { return (reach / kEvery + 1) * sizeof(std::uint32_t); }

    Guess(const CodeSearch& s, const Filter& filter, const Plan& plan, std::size_t k, std::size_t levels)
        : s_(s),
          filter_(filter),
          plan_(plan),
          sample_(plan.longest(), rank(k), plan.reach(), levels, filter),
          ids_(plan.reach() / kEvery + 1),
          limits_(plan.longest()) {}

    // The distances for the queries of a task.
    const std::vector<float>& limits(const Task& task, CodeScreen& screen) {
        const std::size_t n = task.query_end - task.query_begin;
        auto query = [&](std::size_t i) { return s_.queries.first + plan_.query()[task.query_begin + i]; };
        std::size_t sampled = 0;
        for (std::size_t j = task.base_begin; j < task.base_end; j += kEvery)
            ids_[sampled++] = static_cast<std::uint32_t>(plan_.base()[j]);
        const Selection ids{ids_.data(), sampled};
        screen.load_queries(s_.queries, plan_.query(), task.query_begin, task.query_end);
        for (std::size_t i = 0; i < n; ++i) {
            sample_.start(i, query(i));
            screen.set_bound(i, sample_.bound(i));
        }
        const std::size_t block = block_rows(screen.most_rows(), n, s_.base.width, 0);
        visit_blocks(0, ids.count, block, CountingTopK::kInOrder, [&](std::size_t begin, std::size_t end) {
            screen.load_block(s_.base, ids, begin, end);
            screen.scan([&](std::size_t i, std::size_t j, std::uint32_t least, std::uint32_t) {
                const auto distance = static_cast<std::int32_t>(least);
                const std::size_t b = s_.base.first + ids[begin + j];
                const auto index = static_cast<std::uint32_t>(b);
                if (!sample_.wants(i, distance, index) || !filter_.allows(query(i), b)) return;
                if (sample_.offer(i, query(i), distance, distance, index, Known{})) screen.set_bound(i, sample_.bound(i));
            });
            return true;
        });
        for (std::size_t i = 0; i < n; ++i) limits_[i] = sample_.bound(i) + 1;  // the sample's bound leaves its last out
        return limits_;
    }

  private:
    const CodeSearch& s_;
    const Filter& filter_;
    const Plan& plan_;
    CountingTopK sample_;
    std::vector<std::uint32_t> ids_;
    std::vector<float> limits_;
};

}  // namespace hardmine
