// All pairs: within a radius, the nearest of all, how many at which distance or before which place. The sinks of pairs, of
// floats and of codes.
//
// An array against itself is a triangle, of which each pair is kept once.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
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
#include "sinks/ordering.hpp"
#include "sinks/radius.hpp"
#include "sinks/ranks.hpp"

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

// Offers all pairs to a sink a thread, made by make_sink(judge, watch), and calls finish(sink) for each of them. Where an
// interval was found to be wrong all is done once more, by canonical distances: distrusted() says so, and forgets what was
// found.
template <class S, class Family, class MakeSink, class Distrusted, class Finish>
void offer_pairs(Family& family, const Filter& filter, const Plan& plan, const Watcher& watcher, MakeSink&& make_sink,
                 Distrusted&& distrusted, Finish&& finish) {
    using Row = typename Family::Row;
    using Work = Workspace<Family, S>;
    if (plan.tasks().empty()) return;
    const Judge judge(filter, filter.self);
    family.prepare(plan.longest(), plan.base());
    for (;;) {
        Team<Row, Work> team(
            family.search.base, plan.tasks().size(), family.threads, plan.pairs(), watcher,
            [&](Watch& watch) { return new Work{family.screens(), make_sink(judge, watch), family.scores()}; });
        team.run(plan.tasks().size(), [&](std::size_t t, Work& work, Watch& watch) {
            const Task& task = plan.tasks()[t];
            const Loop<Row> loop(family.search, judge, watch);
            loop.start(task, work.sink, work.scores);
            return work.screens.with(task.rows.count,
                                     [&](auto&... screens) { return loop.visit(task, work.sink, work.scores, screens...); });
        });
        if (!distrusted()) {
            for (const auto& work : team.works()) finish(work->sink);
            return;
        }
        failed_proofs.fetch_add(1, std::memory_order_relaxed);
        family.distrust();
    }
}

// A sink that could not grow has stopped the call.
template <class Call>
void unless_out_of_memory(const std::atomic<bool>& out_of_memory, Call&& call) {
    try {
        call();
    } catch (const Stopped&) {
        if (out_of_memory) throw std::bad_alloc();
        throw;
    }
}

template <class Family>
FoundPairs all_within(Family family, const Filter& filter, const float* radius, std::uint64_t most, const Watcher& watcher) {
    const Plan plan = pair_plan(family, filter, Radius::bytes_per_row(), 0);
    RadiusTotals totals{most};
    FoundPairs found;
    unless_out_of_memory(totals.out_of_memory, [&] {
        offer_pairs<Radius>(
            family, filter, plan, watcher,
            [&](const Judge& judge, Watch& watch) { return Radius(plan.longest(), judge, radius, totals, watch); },
            [&] {
                const bool again = totals.distrusted.exchange(false);
                if (again) totals.found = 0;
                return again;
            },
            [&](Radius& sink) {
                sink.finish();
                found.lists.push_back(std::move(sink.pairs()));
            });
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
    unless_out_of_memory(pairs->out_of_memory, [&] {
        offer_pairs<Closest>(
            family, filter, plan, watcher, [&](const Judge&, Watch& watch) { return Closest(plan.longest(), *pairs, watch); },
            [&] {
                const bool again = pairs->distrusted;
                if (again) pairs.emplace(n_pairs, plan.pairs(), filter);
                return again;
            },
            [](Closest&) {});
    });
    const Watcher in_the_end = [&](std::uint64_t, std::uint64_t) { return watcher(plan.pairs(), plan.pairs()); };
    Watch watch(watcher ? in_the_end : kNobody, 0);
    std::vector<FoundPair> found = std::move(pairs->sorted(watch));
    if (watch.stopped()) throw Stopped();
    return found;
}

template <class Family>
void count_pairs(Family family, const Filter& filter, const HistogramOf& of, std::uint64_t* counts, const Watcher& watcher) {
    const Bins bins(of.thresholds, of.count);
    const Split split{of.query_groups, of.base_groups};
    std::atomic<bool> distrusted{false};
    offer_pairs<Histogram>(
        family, filter, pair_plan(family, filter, 0, 0), watcher,
        [&](const Judge&, Watch&) { return Histogram(bins, split, distrusted); }, [&] { return distrusted.exchange(false); },
        [&](const Histogram& sink) { sink.add_to(counts); });
}

template <class Family>
void count_before(Family family, const Filter& filter, const Places& places, std::int64_t* ranks, const Watcher& watcher) {
    const Plan plan = pair_plan(family, filter, Ranks::bytes_per_row(), 0);
    std::vector<std::uint32_t> counts(places.keys.size());
    std::atomic<bool> distrusted{false};
    offer_pairs<Ranks>(
        family, filter, plan, watcher,
        [&](const Judge&, Watch&) { return Ranks(plan.longest(), places, counts.data(), distrusted); },
        [&] {
            const bool again = distrusted.exchange(false);
            if (again) std::fill(counts.begin(), counts.end(), 0u);
            return again;
        },
        [](const Ranks&) {});
    const auto& queries = family.search.queries;
    for (std::size_t i = queries.first; i < queries.first + queries.count; ++i)
        std::inclusive_scan(counts.begin() + places.start[i], counts.begin() + places.start[i + 1], ranks + places.start[i],
                            std::plus<std::int64_t>(), std::int64_t{0});
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

void ranks(const FloatSearch& s, const Filter& filter, const Places& places, std::int64_t* counts, const Watcher& watcher) {
    count_before(Floats(s, watcher), filter, places, counts, watcher);
}
void ranks(const CodeSearch& s, const Filter& filter, const Places& places, std::int64_t* counts, const Watcher& watcher) {
    count_before(PackedCodes(s, watcher), filter, places, counts, watcher);
}

// Pairs are spread over their rows by counting, then each row is put in order.
template <class Distance>
void write_pairs(FoundPairs& found, std::int64_t* rows, std::int64_t* cols, Distance* distances, int threads,
                 const Watcher& watcher) {
    Watch watch(watcher, 0);
    const auto for_pairs = [&](auto&& visit) {
        for (const PairList& list : found.lists)
            if (!list.each(watch, visit)) throw Stopped();
    };
    std::size_t least = ~std::size_t{0}, end = 0;  // of the rows that have pairs
    for_pairs([&](const FoundPair& pair) {
        least = std::min<std::size_t>(least, pair.row);
        end = std::max<std::size_t>(end, pair.row + std::size_t{1});
    });
    if (end == 0) return;
    const std::size_t n = end - least;
    std::vector<std::size_t> next(n + 1);  // where the next pair of each row goes: at first where its pairs begin,
    for_pairs([&](const FoundPair& pair) { ++next[pair.row - least + 1]; });
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::size_t most = 0;
    for (std::size_t i = 0; i < n; ++i) most = std::max(most, next[i + 1] - next[i]);
    const auto place = [&](const FoundPair& pair) {
        const std::size_t at = next[pair.row - least]++;
        rows[at] = pair.row;
        cols[at] = pair.col;
        distances[at] = static_cast<Distance>(pair.distance);
    };
    for (PairList& list : found.lists) {
        if (!list.each(watch, place)) throw Stopped();
        list.clear();
    }
    const auto begin_of = [&](std::size_t i) { return i == 0 ? 0 : next[i - 1]; };  // and in the end where they end

    constexpr std::size_t kRange = 1024, kShort = 64;  // rows of a task; pairs of a row before which no look is needed
    const Rows<std::uint8_t> none{};
    using Pair = std::pair<Distance, std::int64_t>;
    using Row = std::vector<Pair>;
    const std::size_t ranges = (n + kRange - 1) / kRange;
    Team<std::uint8_t, Row> team(none, ranges, usable_threads(threads), n, watcher, [&] {
        auto row = std::make_unique<Row>();
        row->reserve(most);
        return row.release();
    });
    team.run(ranges, [&](std::size_t range, Row& row, Watch& watching) {
        const std::size_t first = range * kRange, last = std::min(n, first + kRange);
        for (std::size_t i = first; i < last; ++i) {
            const std::size_t start = begin_of(i), count = next[i] - start;
            if (count > kShort && !watching.step(0)) break;
            row.clear();
            for (std::size_t p = 0; p < count; ++p) row.push_back({distances[start + p], cols[start + p]});
            if (!watched(watching, std::less<Pair>(), [&](auto&& less) { std::sort(row.begin(), row.end(), less); })) break;
            for (std::size_t p = 0; p < count; ++p) std::tie(distances[start + p], cols[start + p]) = row[p];
        }
        watching.step(last - first);
        return true;
    });
}
template void write_pairs(FoundPairs&, std::int64_t*, std::int64_t*, float*, int, const Watcher&);
template void write_pairs(FoundPairs&, std::int64_t*, std::int64_t*, std::int32_t*, int, const Watcher&);

template <class Distance>
void write_pairs(const std::vector<FoundPair>& found, std::int64_t* rows, std::int64_t* cols, Distance* distances,
                 const Watcher& watcher) {
    Watch watch(watcher, 0);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (i % PairList::kChunk == 0 && !watch.step(0)) throw Stopped();
        rows[i] = found[i].row;
        cols[i] = found[i].col;
        distances[i] = static_cast<Distance>(found[i].distance);
    }
}
template void write_pairs(const std::vector<FoundPair>&, std::int64_t*, std::int64_t*, float*, const Watcher&);
template void write_pairs(const std::vector<FoundPair>&, std::int64_t*, std::int64_t*, std::int32_t*, const Watcher&);

}  // namespace hardmine
