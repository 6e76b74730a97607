// All pairs: within a radius, the nearest of all, how many at which distance. The sinks of pairs, of floats and of codes.
//
// An array against itself is a triangle, of which each pair is kept once.
#include <algorithm>
#include <atomic>
#include <new>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "scan/families.hpp"
#include "scan/team.hpp"
#include "scan/visit.hpp"
#include "sinks/closest.hpp"
#include "sinks/histogram.hpp"
#include "sinks/radius.hpp"

namespace hardmine {
namespace {

template <class Family, class S>
struct Workspace {
    typename Family::Screens screens;
    S sink;
    typename Family::AnyScores scores;
};

template <class Family>
Plan pair_plan(const Family& family, const Filter& filter, std::size_t per_query, std::size_t fixed) {
    const auto& s = family.search;
    const std::size_t n = s.queries.count, most = family.most_queries(per_query, fixed);
    if (filter.self && s.one_array() && filter.groups != Groups::same)
        return Plan(filter, s.base.extent(), std::min(most, range_rows(n)));
    return Plan(filter, {nullptr, 0, n}, s.queries.first, s.base.extent(), most, Family::kFairQueries, s.base.count,
                family.threads);
}

// Offers all pairs to a sink a thread, made by make_sink(judge), and calls finish(sink) for each of them. Where an interval
// was found to be wrong all is done once more, by canonical distances: distrusted() says so, and forgets what was found.
template <class S, class Family, class MakeSink, class Distrusted, class Finish>
void offer_pairs(Family& family, const Filter& filter, const Plan& plan, const Watcher& watcher, MakeSink&& make_sink,
                 Distrusted&& distrusted, Finish&& finish) {
    using Row = typename Family::Row;
    using Work = Workspace<Family, S>;
    if (plan.tasks().empty()) return;
    const Judge judge(filter, filter.self);
    family.prepare(plan.longest(), plan.base());
    for (;;) {
        Team<Row, Work> team(family.search.base, plan.tasks().size(), family.threads, plan.pairs(), watcher,
                             [&] { return new Work{family.screens(), make_sink(judge), family.scores()}; });
        team.run(plan.tasks().size(), [&](std::size_t t, Work& work, Watch& watch) {
            const Task& task = plan.tasks()[t];
            const Loop<Row> loop(family.search, judge, watch);
            loop.start(task, work.sink, work.scores);
            return work.screens.with(task.rows.count,
                                     [&](auto& screen) { return loop.visit(task, screen, work.sink, work.scores); });
        });
        if (!distrusted()) {
            for (const auto& work : team.works()) finish(work->sink);
            return;
        }
        failed_proofs.fetch_add(1, std::memory_order_relaxed);
        family.distrust();
    }
}

template <class Family>
FoundPairs all_within(Family family, const Filter& filter, const float* radius, std::uint64_t most, const Watcher& watcher) {
    const Plan plan = pair_plan(family, filter, Radius::bytes_per_row(), 0);
    RadiusTotals totals{most};
    FoundPairs found;
    offer_pairs<Radius>(
        family, filter, plan, watcher, [&](const Judge& judge) { return Radius(plan.longest(), judge, radius, totals); },
        [&] {
            if (totals.out_of_memory) throw std::bad_alloc();
            const bool again = totals.distrusted.exchange(false);
            if (again) totals.found = 0;
            return again;
        },
        [&](Radius& sink) {
            sink.finish();
            found.lists.push_back(std::move(sink.pairs()));
        });
    found.count = totals.found;
    if (found.count > most) found.lists.clear();
    return found;
}

template <class Family>
std::vector<FoundPair> nearest_of_all(Family family, const Filter& filter, std::size_t n_pairs, const Watcher& watcher) {
    const Plan plan = pair_plan(family, filter, Closest::bytes_per_row(), 0);
    std::optional<ClosestPairs> pairs;
    pairs.emplace(n_pairs, plan.pairs(), filter);
    offer_pairs<Closest>(
        family, filter, plan, watcher, [&](const Judge&) { return Closest(plan.longest(), *pairs); },
        [&] {
            const bool again = pairs->distrusted;
            if (again) pairs.emplace(n_pairs, plan.pairs(), filter);
            return again;
        },
        [](Closest&) {});
    return std::move(pairs->sorted());
}

template <class Family>
void count_pairs(Family family, const Filter& filter, const HistogramOf& of, std::uint64_t* counts, const Watcher& watcher) {
    const Bins bins(of.thresholds, of.count);
    const Split split{of.query_groups, of.base_groups};
    std::atomic<bool> distrusted{false};
    offer_pairs<Histogram>(
        family, filter, pair_plan(family, filter, 0, 0), watcher,
        [&](const Judge&) { return Histogram(bins, split, distrusted); }, [&] { return distrusted.exchange(false); },
        [&](const Histogram& sink) { sink.add_to(counts); });
}

}  // namespace

FoundPairs radius_neighbors(const FloatSearch& s, const Filter& filter, const float* radius, std::uint64_t most,
                            const Watcher& watcher) {
    return all_within(Floats(s, watcher), filter, radius, most, watcher);
}
FoundPairs radius_neighbors(const CodeSearch& s, const Filter& filter, const float* radius, std::uint64_t most,
                            const Watcher& watcher) {
    return all_within(PackedCodes(s, watcher), filter, radius, most, watcher);
}

std::vector<FoundPair> closest_pairs(const FloatSearch& s, const Filter& filter, std::size_t n_pairs, const Watcher& watcher) {
    return nearest_of_all(Floats(s, watcher), filter, n_pairs, watcher);
}
std::vector<FoundPair> closest_pairs(const CodeSearch& s, const Filter& filter, std::size_t n_pairs, const Watcher& watcher) {
    return nearest_of_all(PackedCodes(s, watcher), filter, n_pairs, watcher);
}

void distance_histogram(const FloatSearch& s, const Filter& filter, const HistogramOf& histogram, std::uint64_t* counts,
                        const Watcher& watcher) {
    count_pairs(Floats(s, watcher), filter, histogram, counts, watcher);
}
void distance_histogram(const CodeSearch& s, const Filter& filter, const HistogramOf& histogram, std::uint64_t* counts,
                        const Watcher& watcher) {
    count_pairs(PackedCodes(s, watcher), filter, histogram, counts, watcher);
}

// Pairs are spread over their rows by counting, then each row is put in order.
template <class Distance>
void write_pairs(FoundPairs& found, std::int64_t* rows, std::int64_t* cols, Distance* distances, int threads,
                 const Watcher& watcher) {
    std::size_t n = 0;
    for (const PairList& list : found.lists)
        list.each([&](const FoundPair& pair) { n = std::max<std::size_t>(n, pair.row + std::size_t{1}); });
    std::vector<std::size_t> next(n + 1);  // where the next pair of each row goes
    for (const PairList& list : found.lists) list.each([&](const FoundPair& pair) { ++next[pair.row + std::size_t{1}]; });
    std::partial_sum(next.begin(), next.end(), next.begin());
    const std::vector<std::size_t> start = next;
    for (PairList& list : found.lists) {
        list.each([&](const FoundPair& pair) {
            const std::size_t at = next[pair.row]++;
            rows[at] = pair.row;
            cols[at] = pair.col;
            distances[at] = static_cast<Distance>(pair.distance);
        });
        list.clear();
    }
    constexpr std::size_t kRange = 1024;
    const Rows<std::uint8_t> none{};
    using Row = std::vector<std::pair<Distance, std::int64_t>>;
    Team<std::uint8_t, Row> team(none, (n + kRange - 1) / kRange, usable_threads(threads), n, watcher, [&] {
        auto row = new Row;
        for (std::size_t i = 0; i < n; ++i) row->reserve(start[i + 1] - start[i]);
        return row;
    });
    team.run((n + kRange - 1) / kRange, [&](std::size_t range, Row& row, Watch& watch) {
        const std::size_t end = std::min(n, (range + 1) * kRange);
        for (std::size_t i = range * kRange; i < end; ++i) {
            row.clear();
            for (std::size_t at = start[i]; at < start[i + 1]; ++at) row.push_back({distances[at], cols[at]});
            std::sort(row.begin(), row.end());
            for (std::size_t at = start[i]; at < start[i + 1]; ++at) std::tie(distances[at], cols[at]) = row[at - start[i]];
        }
        return watch.step(kRange) || true;
    });
}
template void write_pairs(FoundPairs&, std::int64_t*, std::int64_t*, float*, int, const Watcher&);
template void write_pairs(FoundPairs&, std::int64_t*, std::int64_t*, std::int32_t*, int, const Watcher&);

}  // namespace hardmine
