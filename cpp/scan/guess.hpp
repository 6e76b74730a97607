// How far the k-th neighbour of each query will be, guessed from a sample of the base: a first bound for every sink of rows.
//
// A row that knows no bound keeps all it is offered: in random order k (1 + log(m / k)) pairs for k neighbours, eight times too
// many for 100 of 80,000; and a coarse screen has nothing to compare with. So one row of every `every` is searched first. Of
// the k nearest about r = k / every are among them. Each is drawn at random from a window of as many rows, whatever the order
// of the base, so that the number is a sum of independent draws: within the distance of the (r + 5 sqrt(r) + 4)-th of the
// sample there are k rows but once in some million searches of a row (Poisson's tail: 1.1e-6 at r = 3, where it is largest).
// A guess proves nothing: a row that keeps fewer than k within it is searched again without.
//
// Measured on one core (Zen 5), time without / with: 2,200 x 80,000, k = 100, in 512 dimensions 1.13; 1,000 x 80,000, k = 1,000,
// in 64 1.6; 30,000 x 96 with themselves, k = 100, 1.4. At k = 10 and less it costs what it saves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "scan/families.hpp"
#include "scan/plan.hpp"
#include "scan/visit.hpp"

namespace hardmine {

// Rows of a base at random places, one in each window of `every` rows; of many millions fewer, which only makes a guess looser.
class Sample {
  public:
    static constexpr std::size_t kMost = 1 << 18;

    static std::size_t every(std::size_t rows, std::size_t least) { return std::max(least, (rows + kMost - 1) / kMost); }
    static std::size_t bytes(std::size_t rows, std::size_t least) {
        return (rows / every(rows, least) + 1) * sizeof(std::uint32_t);
    }

    // Room for that of up to `most` rows.
    Sample(std::size_t most, std::size_t least) : least_(least), ids_(most / every(most, least) + 1) {}

    Selection of(const Selection& base) {
        const std::size_t window = every(base.count, least_);
        std::size_t count = 0;
        for (std::size_t begin = 0; begin < base.count; begin += window) {
            const std::size_t place = begin + draw(count) % std::min(window, base.count - begin);
            ids_[count++] = static_cast<std::uint32_t>(base[place]);
        }
        return {ids_.data(), 0, count};
    }

  private:
    // The same in every call (the last steps of SplitMix64).
    static std::uint64_t draw(std::uint64_t x) {
        x = (x + 1) * 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
    }

    std::size_t least_;
    std::vector<std::uint32_t> ids_;
};

// The limits of the rows of a task. S is a sink of the sampled rows.
template <class Family, SinkOfRows S>
class Guess {
  public:
    using Row = typename Family::Row;
    static constexpr Sampling kSampling = Family::kSampling;

    static std::size_t rank(std::size_t k) {
        const double r = static_cast<double>(k) / static_cast<double>(kSampling.every);
        return static_cast<std::size_t>(r + 5 * std::sqrt(r) + 4);
    }
    // Whether some task of a search may want one, and whether this task does.
    static bool serves(std::size_t k, const Filter& filter) { return k >= kSampling.least_neighbors && !filter.max_per_group; }
    static bool serves(const Task& task, std::size_t k) {
        return task.rows.count >= kSampling.least_queries && task.base.count >= kSampling.rows_per_neighbor * k &&
               task.base.count >= kSampling.least_rows;
    }
    static std::size_t bytes_per_row(std::size_t of_sink) { return of_sink + sizeof(float); }
    static std::size_t bytes(std::size_t reach) { return Sample::bytes(reach, kSampling.every); }

    // `reach`: the most base rows of a task. The sink is for rank(k) neighbours of as many rows as a task has.
    Guess(std::size_t rows, std::size_t reach, S sink)
        : sample_(reach, kSampling.every), sink_(std::move(sink)), limits_(rows) {}

    // False if a base row is not finite.
    template <class Scores, class... Screens>
    bool find(const Loop<Row>& loop, const Task& task, Scores& scores, Screens&... screens) {
        loop.start(task, sink_, scores);
        if (!loop.visit(Task{task.rows, sample_.of(task.base)}, sink_, scores, screens...)) return false;
        for (std::size_t i = 0; i < task.rows.count; ++i) limits_[i] = sink_.farthest_kept(i, loop.query(task, i));
        return true;
    }
    float limit(std::size_t i) const { return limits_[i]; }

  private:
    Sample sample_;
    S sink_;
    std::vector<float> limits_;
};

}  // namespace hardmine
