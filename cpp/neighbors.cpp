// Neighbours of each query: the sinks of rows, of floats and of codes.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "engine.hpp"
#include "scan/families.hpp"
#include "scan/guess.hpp"
#include "scan/self_join.hpp"
#include "scan/team.hpp"
#include "scan/visit.hpp"
#include "sinks/counting.hpp"
#include "sinks/group_caps.hpp"
#include "sinks/top_k.hpp"

namespace hardmine {
namespace {

// What a thread works with. Either screen can serve a task.
template <class Family, SinkOfRows S>
struct Workspace {
    typename Family::Screens screens;
    S sink;
    typename Family::AnyScores scores;
    std::vector<Key> keys;
    std::optional<Guess<Family, S>> guess;  // a first bound
};

// Row i of each part becomes row rows[i] of `out`.
template <class Distance>
void merge_rows(const std::vector<Lists<const Distance>>& parts, const Selection& rows, const Lists<Distance>& out,
                const std::int64_t* base_groups, std::size_t max_per_group, int threads, const Watcher& watcher) {
    constexpr std::size_t kRange = 256;
    const Rows<std::uint8_t> none{};
    const std::size_t n = rows.count, ranges = (n + kRange - 1) / kRange;
    std::size_t entries = 0;
    for (const auto& part : parts) entries += part.k;
    Team<std::uint8_t, ListMerge> team(none, ranges, threads, n, watcher,
                                       [&] { return new ListMerge(base_groups, max_per_group, entries); });
    team.run(ranges, [&](std::size_t range, ListMerge& merge, Watch& watch) {
        const std::size_t begin = range * kRange, end = std::min(n, begin + kRange);
        for (std::size_t row = begin; row < end; ++row) {
            merge.row(parts, row, out.from(rows[row]));
            if (!watch.step(0)) break;
        }
        watch.step(end - begin);
        return true;
    });
}

// A search of rows: what is the same for every sink.
template <class Family>
struct RowSearch {
    using Distance = typename Family::Distance;

    Family& family;
    const Selection queries;  // the rows that are searched
    const Judge& judge;
    Lists<Distance> out;
    std::int64_t* too_near;
    const Watcher& watcher;

    // per_query and fixed: what the sink takes.
    Plan plan(std::size_t per_query, std::size_t fixed) const {
        const auto& s = family.search;
        const std::size_t most = family.most_queries(per_query, fixed + out.k * sizeof(Key));
        const std::size_t parts = kPartBytes / std::max<std::size_t>(1, queries.count * out.k * kPairBytes);
        return Plan(judge.filter(), queries, s.queries.first, s.base.extent(), most, Family::kFairQueries, parts,
                    family.threads);
    }

    template <class MakeWork>
    void run(const Plan& plan, MakeWork&& make_work) const {
        using Row = typename Family::Row;
        using Work = std::remove_pointer_t<decltype(make_work())>;
        const auto& s = family.search;
        const std::size_t n = queries.count;
        if (plan.tasks().empty()) return;
        std::vector<Distance> distances(plan.parts() > 1 ? plan.parts() * n * out.k : 0);
        std::vector<std::int64_t> indices(distances.size());
        const auto part = [&](std::size_t p) { return Lists<Distance>{distances.data(), indices.data(), out.k}.from(p * n); };
        Team<Row, Work> team(s.base, plan.tasks().size(), family.threads, plan.pairs(), watcher, make_work);
        team.run(plan.tasks().size(), [&](std::size_t t, Work& work, Watch& watch) {
            const Task& task = plan.tasks()[t];
            const Loop<Row> loop(s, judge, watch);
            if (!scan(loop, task, work)) return false;
            for (std::size_t i = 0; i < task.rows.count && watch.step(0); ++i) {
                if (plan.parts() == 1)
                    take(loop, task, i, work, out.from(task.rows[i]));
                else  // whose tasks take the queries as they follow one another
                    take(loop, task, i, work, part(task.part).from(task.rows.first + i - queries.first));
            }
            return true;
        });
        if (plan.parts() == 1) return;
        std::vector<Lists<const Distance>> parts;
        for (std::size_t p = 0; p < plan.parts(); ++p) parts.push_back({part(p).distances, part(p).indices, out.k});
        const Filter& filter = judge.filter();
        merge_rows(parts, queries, out, filter.max_per_group ? filter.base_groups : nullptr, filter.max_per_group, 1, watcher);
    }

    // Starts the sinks of a task and goes through it.
    template <class Work>
    bool scan(const Loop<typename Family::Row>& loop, const Task& task, Work& work) const {
        return work.screens.with(task.rows.count, [&](auto&... screens) {
            const bool guesses = work.guess && work.guess->serves(task, out.k);
            if (guesses && !work.guess->find(loop, task, work.scores, screens...)) return false;
            loop.start(task, work.sink, work.scores);
            for (std::size_t i = 0; guesses && i < task.rows.count; ++i) work.sink.limit(i, work.guess->limit(i));
            return loop.visit(task, work.sink, work.scores, screens...);
        });
    }

  private:
    static constexpr std::size_t kPairBytes = sizeof(Distance) + sizeof(std::int64_t);

    // The answer of query i of a task, into the first row of `to`.
    template <class Work>
    void take(const Loop<typename Family::Row>& loop, const Task& task, std::size_t i, Work& work,
              const Lists<Distance>& to) const {
        const std::size_t row = task.rows[i], query = loop.query(task, i);
        if constexpr (requires { work.sink.too_near(i); })
            if (too_near) std::atomic_ref(too_near[row]).fetch_add(work.sink.too_near(i), std::memory_order_relaxed);
        settle(loop, task, i, work);
        if (work.sink.fell_short(i)) {
            const Task alone{task.rows.part(i, i + 1), task.base};
            const Receiver to_row{work.sink, work.scores, i};
            work.sink.start(i, query);
            work.screens.with(1, [&](auto&... screens) { return loop.visit(alone, to_row, to_row, screens...); });
            settle(loop, task, i, work);
        }
        to.write(0, work.keys.data(), work.sink.take(i, work.keys.data()));
    }
    template <class Work>
    static void settle(const Loop<typename Family::Row>& loop, const Task& task, std::size_t i, Work& work) {
        const std::size_t query = loop.query(task, i);
        if (work.sink.settle(i, query, work.scores[i])) return;
        failed_proofs.fetch_add(1, std::memory_order_relaxed);
        loop.rescan(Receiver{work.sink, work.scores}, i, query, task.base);
    }
};

// The rows of an array that a mask leaves.
std::vector<std::uint32_t> masked(const Filter& filter, const Extent& rows) {
    std::vector<std::uint32_t> ids;
    for (std::size_t i = 0; i < rows.count; ++i)
        if (filter.base_mask[rows.first + i]) ids.push_back(static_cast<std::uint32_t>(i));
    return ids;
}

// The rows of n that are not listed: what a mask says is read once, for the caller may change it meanwhile.
std::vector<std::uint32_t> complement(const std::vector<std::uint32_t>& ids, std::size_t n) {
    std::vector<std::uint32_t> others;
    others.reserve(n - ids.size());
    auto next = ids.begin();
    for (std::uint32_t i = 0; i < n; ++i)
        if (next != ids.end() && *next == i)
            ++next;
        else
            others.push_back(i);
    return others;
}

}  // namespace

void topk(const FloatSearch& s, const Filter& filter, const Lists<float>& out, std::int64_t* too_near,
          const Watcher& watcher) {
    Floats family(s, watcher);
    const Judge judge(filter);
    const std::size_t n = s.queries.count, m = s.base.count, k = out.k;
    const GroupCaps caps(filter, s.base.extent(), k);
    Selection queries{nullptr, 0, n};
    std::vector<std::uint32_t> others;  // the rows that a self-join leaves,
    std::uint64_t joined_pairs = 0;     // and what it has done

    std::vector<std::uint32_t> ids;
    if (filter.self && filter.base_mask) ids = masked(filter, s.base.extent());
    const Selection joined = filter.base_mask ? Selection{ids.data(), 0, ids.size()} : Selection{nullptr, 0, m};
    if (SelfJoin::serves(family, k, filter, joined.count)) {
        family.prepare(kMostRange, joined);
        const std::uint64_t left = static_cast<std::uint64_t>(m - joined.count) * joined.count;
        const Watcher first = [&](std::uint64_t done, std::uint64_t total) { return watcher(done, total + left); };
        JoinStep whole;
        if (SelfJoin(family, joined, k, whole, judge, caps, out, too_near, watcher ? first : kNobody).run()) {
            if (joined.count == m) return;
            joined_pairs = static_cast<std::uint64_t>(joined.count) * joined.count / 2;
            others = complement(ids, m);
            queries = {others.data(), 0, others.size()};
        }
    }
    ids = {};

    const Watcher then = [&](std::uint64_t done, std::uint64_t total) {
        return watcher(joined_pairs + done, joined_pairs + total);
    };
    const RowSearch<Floats> search{family, queries, judge, out, too_near, watcher ? then : kNobody};
    using FirstBound = Guess<Floats, TopK>;
    const bool guesses = FirstBound::serves(k, filter);
    const Plan plan = search.plan(
        TopK::bytes_per_row(k, m) + (guesses ? FirstBound::bytes_per_row(TopK::bytes_per_row(FirstBound::rank(k), m)) : 0),
        TopK::bytes(k, m, filter) + (guesses ? FirstBound::bytes(m) : 0));
    if (!plan.complete())
        for (std::size_t i = 0; i < queries.count; ++i) out.write(queries[i], nullptr, 0);
    family.prepare(plan.longest(), plan.base());
    search.run(plan, [&] {
        const auto sink = [&](std::size_t most, bool counted) {
            return TopK(plan.longest(), most, plan.reach(), judge, caps, counted);
        };
        auto work = new Workspace<Floats, TopK>{
            family.screens(), sink(k, too_near != nullptr), family.scores(), std::vector<Key>(k), {}};
        if (guesses) work->guess.emplace(plan.longest(), plan.reach(), sink(FirstBound::rank(k), false));
        return work;
    });
}

bool self_join(const FloatSearch& s, const Filter& filter, const Lists<float>& out, std::int64_t* too_near, JoinStep& step,
               const Watcher& watcher) {
    Floats family(s, watcher);
    const Judge judge(filter);
    const GroupCaps caps(filter, s.base.extent(), out.k);
    std::vector<std::uint32_t> ids;
    if (filter.base_mask) ids = masked(filter, s.base.extent());
    const Selection joined = filter.base_mask ? Selection{ids.data(), 0, ids.size()} : Selection{nullptr, 0, s.base.count};
    if (!SelfJoin::serves(family, out.k, filter, joined.count)) return false;
    family.prepare(kMostRange, joined);
    return SelfJoin(family, joined, out.k, step, judge, caps, out, too_near, watcher).run();
}

void topk(const CodeSearch& s, const Filter& filter, const Lists<std::int32_t>& out, const Watcher& watcher) {
    PackedCodes family(s, watcher);
    const Judge judge(filter);
    const std::size_t n = s.queries.count, m = s.base.count, k = out.k, levels = family.levels();
    const GroupCaps caps(filter, s.base.extent(), k);
    using FirstBound = Guess<PackedCodes, CountingTopK>;
    const bool capped = filter.max_per_group != 0, guesses = FirstBound::serves(k, filter);
    const auto counting_bytes = [&](std::size_t most) { return CountingTopK::bytes_per_row(most, m, levels); };
    const std::size_t per_query =
        capped ? TopK::bytes_per_row(k, m)
               : counting_bytes(k) + (guesses ? FirstBound::bytes_per_row(counting_bytes(FirstBound::rank(k))) : 0);
    const std::size_t fixed =
        (capped ? TopK::bytes(k, m, filter) : (levels + 1) * sizeof(std::size_t)) + (guesses ? FirstBound::bytes(m) : 0);
    const RowSearch<PackedCodes> search{family, {nullptr, 0, n}, judge, out, nullptr, watcher};
    const Plan plan = search.plan(per_query, fixed);
    if (!plan.complete())
        for (std::size_t i = 0; i < n; ++i) out.write(i, nullptr, 0);
    family.prepare(plan.longest(), plan.base());
    if (capped) {
        search.run(plan, [&] {
            return new Workspace<PackedCodes, TopK>{
                family.screens(), TopK(plan.longest(), k, plan.reach(), judge, caps), NoScores(), std::vector<Key>(k), {}};
        });
        return;
    }
    search.run(plan, [&] {
        const auto sink = [&](std::size_t most) { return CountingTopK(plan.longest(), most, plan.reach(), levels, judge); };
        auto work = new Workspace<PackedCodes, CountingTopK>{family.screens(), sink(k), NoScores(), std::vector<Key>(k), {}};
        if (guesses) work->guess.emplace(plan.longest(), plan.reach(), sink(FirstBound::rank(k)));
        return work;
    });
}

template <class Distance>
void merge(const std::vector<Lists<const Distance>>& parts, std::size_t n, const Lists<Distance>& out,
           const std::int64_t* base_groups, std::size_t max_per_group, int threads, const Watcher& watcher) {
    merge_rows(parts, {nullptr, 0, n}, out, base_groups, max_per_group, usable_threads(threads), watcher);
}
template void merge(const std::vector<Lists<const float>>&, std::size_t, const Lists<float>&, const std::int64_t*, std::size_t,
                    int, const Watcher&);
template void merge(const std::vector<Lists<const std::int32_t>>&, std::size_t, const Lists<std::int32_t>&,
                    const std::int64_t*, std::size_t, int, const Watcher&);

void ranking_counts(const CodeSearch& s, const Relevance& relevance, std::size_t top, std::size_t levels,
                    std::uint32_t* counts, std::uint32_t* relevant, const Watcher& watcher) {
    PackedCodes family(s, watcher);
    const Filter everything;
    const Judge judge(everything);
    const std::size_t n = s.queries.count;
    const Plan plan(everything, {nullptr, 0, n}, 0, s.base.extent(),
                    std::min<std::size_t>(256, family.most_queries(RankingCounts::bytes_per_row(), 0)),
                    PackedCodes::kFairQueries, 1, family.threads);
    if (plan.tasks().empty()) {
        for (std::uint32_t* table : {counts, relevant}) std::fill_n(table, n * levels, 0u);
        return;
    }
    family.prepare(plan.longest(), plan.base());
    struct Work {
        PackedCodes::Screens screens;
        RankingCounts sink;
    };
    Team<std::uint8_t, Work> team(s.base, plan.tasks().size(), family.threads, plan.pairs(), watcher, [&] {
        return new Work{family.screens(), RankingCounts(plan.longest(), relevance, top, levels, counts, relevant)};
    });
    team.run(plan.tasks().size(), [&](std::size_t t, Work& work, Watch& watch) {
        const Task& task = plan.tasks()[t];
        const Loop<std::uint8_t> loop(s, judge, watch);
        NoScores none;
        loop.start(task, work.sink, none);
        const bool good = work.screens.with(task.rows.count,
                                            [&](auto&... screens) { return loop.visit(task, work.sink, none, screens...); });
        for (std::size_t i = 0; i < task.rows.count; ++i) work.sink.finish(i);
        return good;
    });
}

}  // namespace hardmine
