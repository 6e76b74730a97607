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

#include "scan/families.hpp"
#include "scan/plan.hpp"
#include "scan/visit.hpp"
#include "sinks/counting.hpp"

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
        return task.base.count >= kRows * k && task.rows.count > FewCodeScreen::kMostQueries;
    }
    static std::size_t bytes_per_row(std::size_t k, std::size_t reach, std::size_t levels) {
        return CountingTopK::bytes_per_row(rank(k), reach, levels) + sizeof(float);
    }

    static std::size_t bytes(std::size_t reach) { return (reach / kEvery + 1) * sizeof(std::uint32_t); }

    Guess(const Judge& judge, const Plan& plan, std::size_t k, std::size_t levels)
        : sample_(plan.longest(), rank(k), plan.reach(), levels, judge),
          ids_(plan.reach() / kEvery + 1),
          limits_(plan.longest()) {}

    // The distances for the queries of a task.
    const std::vector<float>& limits(const Loop<std::uint8_t>& loop, const Task& task, CodeScreen& screen) {
        std::size_t sampled = 0;
        for (std::size_t j = 0; j < task.base.count; j += kEvery) ids_[sampled++] = static_cast<std::uint32_t>(task.base[j]);
        NoScores none;
        loop.start(task, sample_, none);
        loop.visit(Task{task.rows, {ids_.data(), 0, sampled}}, sample_, none, screen);
        for (std::size_t i = 0; i < task.rows.count; ++i)
            limits_[i] = sample_.bound(i) + 1;  // the sample's bound leaves its last out
        return limits_;
    }

  private:
    CountingTopK sample_;
    std::vector<std::uint32_t> ids_;
    std::vector<float> limits_;
};

}  // namespace hardmine
