// The calls of the engine for float rows: each checks, plans, takes its memory and runs the tasks.
#include "engine.hpp"

#include <memory>
#include <span>
#include <vector>

#include "few_screen.hpp"
#include "memory.hpp"
#include "panel_screen.hpp"
#include "scan.hpp"
#include "scores.hpp"
#include "self_join.hpp"

namespace hardmine {
namespace {

constexpr std::size_t kFairQueries = 512;      // to a thread: packing is a fortieth of their work
constexpr std::size_t kSmallWork = 1 << 20;    // multiply-adds that one thread finishes before others have woken,
constexpr std::size_t kSmallMatrix = 1 << 23;  // in float64 a millisecond; a batch is mined between steps of training

// What a thread works with. Either screen can serve a task.
struct Workspace {
    PanelScreen panels;
    FewScreen few;
    TopK sink;
    Scores scores;
    std::vector<Key> keys;
};

// The same for a matrix: the pairs of a query and a panel whose values are too doubtful are scored together.
struct MatrixWorkspace {
    PanelScreen screen;
    CanonicalRows canonical;
    std::vector<const float*> rows;
    std::vector<double> factors;
    std::vector<float> distances;
};

int choose_threads(const FloatSearch& s) {
    const int threads = usable_threads(s.threads);
    return s.queries.count * s.base.count * s.base.width < kSmallWork ? 1 : threads;
}

// A look at every number, from which Ctrl-C must not wait for the end.
void check_queries(const FloatSearch& s, const Watcher& watcher) {
    constexpr std::size_t kNumbers = 1 << 20;
    Watch watch(watcher, 0);
    const std::size_t step = std::max<std::size_t>(1, kNumbers / s.queries.width);
    for (std::size_t i = 0; i < s.queries.count; ++i) {
        if (!finite(s.queries[i], s.queries.width)) throw NotFinite(false, s.queries.first + i);
        if (i % step == 0 && !watch.step(0)) throw Stopped();
    }
}

// The queries that a thread takes at a time.
std::size_t most_queries(const FloatSearch& s, std::size_t per_query, std::size_t fixed, int threads) {
    const std::size_t d = s.base.width, rows = std::max(PanelScreen::most_rows(s.kernels, d), FewScreen::kBlockRows);
    fixed += FewScreen::bytes() + Scores::bytes(d, rows);
    return queries_in_memory(threads, PanelScreen::bytes_per_query(d) + per_query, fixed + PanelScreen::bytes(s.kernels, d),
                             FewScreen::kMostQueries, fixed);
}

}  // namespace

void topk(const FloatSearch& s, std::size_t k, const Filter& filter, float* distances, std::int64_t* indices,
          std::int64_t* too_near, const Watcher& watcher) {
    check_queries(s, watcher);
    const std::size_t d = s.base.width;
    const int threads = choose_threads(s);
    const Canonical canonical(s.kernels, s.metric, d);
    const GroupCaps caps(filter, s.base.extent(), k);
    if (SelfJoin::serves(s, k, filter) && SelfJoin(s, k, filter, caps, canonical, threads).run(distances, indices, watcher))
        return;
    const std::size_t m = s.base.count, n = s.queries.count;
    const std::size_t queries = most_queries(s, TopK::bytes_per_row(k, m) + Scores::bytes_per_query(),
                                             TopK::bytes(k, m, filter) + k * sizeof(Key), threads);
    const std::size_t parts = kPartBytes / std::max<std::size_t>(1, n * k * sizeof(Key));
    const Plan plan(filter, s.queries.extent(), s.base.extent(), queries, kFairQueries, parts, threads);
    if (!plan.complete())
        for (std::size_t i = 0; i < n; ++i) write_row(nullptr, 0, k, distances + i * k, indices + i * k);
    if (plan.tasks().empty()) return;

    const std::size_t for_panels = plan.longest() > FewScreen::kMostQueries ? plan.longest() : 0;
    const Frame frame =
        for_panels ? make_frame(s.metric, canonical, s.queries, s.base, plan.base()) : Frame{s.metric, d, {}, {}};
    std::vector<std::unique_ptr<Workspace>> workspaces;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t) {
        const std::size_t rows = for_panels ? PanelScreen::most_rows(s.kernels, d) : 0;
        workspaces.emplace_back(new Workspace{
            PanelScreen(s.kernels, frame, canonical, for_panels), FewScreen(s.kernels, s.metric, canonical, d),
            TopK(plan.longest(), k, plan.reach(), filter, caps),
            Scores(canonical, s.queries, s.base, plan.longest(), std::max(rows, FewScreen::kBlockRows)), std::vector<Key>(k)});
    }
    Scan<float, float> scan(s, k, filter, caps, plan, distances, indices, too_near);
    Watch watch(watcher, plan.pairs());
    run_tasks(plan.tasks().size(), threads, watch, [&](std::size_t t, int thread) {
        const Task& task = plan.tasks()[t];
        Workspace& work = *workspaces[static_cast<std::size_t>(thread)];
        if (task.query_end - task.query_begin <= FewScreen::kMostQueries)
            scan.run(task, work.few, work.sink, work.scores, work.keys.data(), watch);
        else
            scan.run(task, work.panels, work.sink, work.scores, work.keys.data(), watch);
    });
    if (scan.met_bad_row()) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
    scan.merge();
}

void pairwise(const FloatSearch& s, float* out, std::size_t stride, const Watcher& watcher) {
    check_queries(s, watcher);
    const std::size_t d = s.base.width;
    const int threads = choose_threads(s);
    const Canonical canonical(s.kernels, s.metric, d);
    const Filter everything;
    const Plan plan(everything, s.queries.extent(), s.base.extent(), rows_at_once(stride, most_queries(s, 0, 0, threads)),
                    kFairQueries, s.base.count, threads);
    if (plan.tasks().empty()) return;
    const Frame frame = make_frame(s.metric, canonical, s.queries, s.base, plan.base());
    const std::size_t lanes = s.kernels.lanes;
    std::vector<std::unique_ptr<MatrixWorkspace>> workspaces;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t)
        workspaces.emplace_back(new MatrixWorkspace{PanelScreen(s.kernels, frame, canonical, plan.longest()),
                                                    CanonicalRows(canonical), std::vector<const float*>(lanes),
                                                    std::vector<double>(lanes), std::vector<float>(lanes)});
    std::atomic<bool> bad_row{false};
    Watch watch(watcher, plan.pairs());
    run_tasks(plan.tasks().size(), threads, watch, [&](std::size_t t, int thread) {
        const Task& task = plan.tasks()[t];
        MatrixWorkspace& work = *workspaces[static_cast<std::size_t>(thread)];
        PanelScreen& screen = work.screen;
        screen.load_queries(s.queries, plan.query(), task.query_begin, task.query_end);
        const std::size_t n = task.query_end - task.query_begin, block = block_rows(screen.most_rows(), n, d, 0);
        for (std::size_t begin = task.base_begin; begin < task.base_end; begin += block) {
            const std::size_t end = std::min(task.base_end, begin + block);
            if (!screen.load_block(s.base, plan.base(), begin, end)) {
                bad_row = true;
                watch.stop();
                return;
            }
            screen.write(out + task.query_begin * stride + begin, stride, [&](std::size_t i, std::span<const Hit> hits) {
                const std::size_t row = task.query_begin + i;
                for (std::size_t h = 0; h < hits.size(); ++h) {
                    work.rows[h] = s.base[begin + hits[h].lane];
                    work.factors[h] = screen.factor(hits[h].lane);
                }
                work.canonical.load(s.queries[row], screen.query_factor(i));
                work.canonical.distances(work.rows.data(), work.factors.data(), hits.size(), work.distances.data());
                for (std::size_t h = 0; h < hits.size(); ++h) out[row * stride + begin + hits[h].lane] = work.distances[h];
            });
            if (!watch.step(n * (end - begin))) return;
        }
    });
    if (bad_row) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
}

void pair_distances(const FloatSearch& s, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    float* distances, const Watcher& watcher) {
    constexpr std::size_t kBatch = 4096;
    constexpr std::size_t kAhead = 4;              // rows anywhere in memory are asked for early
    constexpr std::size_t kMostFactors = 1 << 20;  // that are kept: 8 MiB
    check_queries(s, watcher);
    const Canonical canonical(s.kernels, s.metric, s.base.width);
    const std::size_t m = s.base.count;
    std::vector<double> factors(pairs > m && m <= kMostFactors ? m : 0);  // where a base row occurs more than once
    for (std::size_t j = 0; j < factors.size(); ++j) factors[j] = canonical.factor(s.base[j]);
    const int threads = pairs * s.base.width < kSmallWork ? 1 : usable_threads(s.threads);
    std::atomic<bool> bad_row{false};
    Watch watch(watcher, pairs);
    run_tasks((pairs + kBatch - 1) / kBatch, threads, watch, [&](std::size_t batch, int) {
        const std::size_t begin = batch * kBatch, end = std::min(pairs, begin + kBatch);
        double q_factor = 0;
        std::size_t last = 0;
        for (std::size_t p = begin; p < end; ++p) {
            const std::size_t row = position(&rows[p], s.queries.count), col = position(&cols[p], m);
            const float *q = s.queries[row], *b = s.base[col];
            if (p + kAhead < end) fetch_row(s.base[position(&cols[p + kAhead], m)], s.base.width);
            if (p == begin || row != last) q_factor = canonical.factor(q);
            last = row;
            const double b_factor = factors.empty() ? canonical.factor(b) : factors[col];
            distances[p] = canonical.distance(q, q_factor, b, b_factor);
            // NaN or infinity in the row ends up in the distance, or in a norm of which the factor is 0.
            if ((!std::isfinite(distances[p]) || b_factor == 0) && !finite(b, s.base.width)) {
                bad_row = true;
                watch.stop();
                return;
            }
        }
        watch.step(end - begin);
    });
    if (bad_row) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
}

void canonical_matrix(const FloatSearch& s, bool self, float* out, const Watcher& watcher) {
    constexpr std::size_t kTile = 32;  // rows of either side: 32 KiB at 128 dimensions
    const std::size_t n = s.queries.count, m = s.base.count;
    const Canonical canonical(s.kernels, s.metric, s.base.width);
    std::vector<double> query_factors(n), base_factors(m);
    for (std::size_t i = 0; i < n; ++i) query_factors[i] = canonical.factor(s.queries[i]);
    for (std::size_t j = 0; j < m; ++j) base_factors[j] = canonical.factor(s.base[j]);
    const int threads = n * m * s.base.width < kSmallMatrix ? 1 : usable_threads(s.threads);
    Watch watch(watcher, static_cast<std::uint64_t>(n) * m);
    run_tasks((n + kTile - 1) / kTile, threads, watch, [&](std::size_t tile, int) {
        const std::size_t begin = tile * kTile, end = std::min(n, begin + kTile);
        for (std::size_t first = self ? begin : 0; first < m; first += kTile) {
            const std::size_t last = std::min(m, first + kTile);
            for (std::size_t i = begin; i < end; ++i)
                for (std::size_t j = self ? std::max(first, i) : first; j < last; ++j) {
                    const float distance = canonical.distance(s.queries[i], query_factors[i], s.base[j], base_factors[j]);
                    out[i * m + j] = distance;
                    if (self) out[j * m + i] = distance;  // canonical distances are symmetric to the last bit
                }
            if (!watch.step((end - begin) * (last - first))) return;
        }
    });
    if (watch.stopped()) throw Stopped();
}

namespace {

// Those of the queries [first, last).
template <class Screen>
void all_intervals(const FloatSearch& s, std::size_t first, std::size_t last, Screen& screen, float* lower, float* upper) {
    const Selection queries{nullptr, s.queries.count}, base{nullptr, s.base.count};
    screen.load_queries(s.queries, queries, first, last);
    for (std::size_t i = 0; i < last - first; ++i) screen.set_bound(i, kInfinity);
    for (std::size_t begin = 0; begin < base.count; begin += screen.most_rows()) {
        if (!screen.load_block(s.base, base, begin, std::min(base.count, begin + screen.most_rows())))
            report_not_finite(s.base, true);
        screen.scan([&](std::size_t i, std::size_t j, float least, float most) {
            lower[(first + i) * base.count + begin + j] = least;
            upper[(first + i) * base.count + begin + j] = most;
        });
    }
}

}  // namespace

void intervals(const FloatSearch& s, bool few, float* lower, float* upper) {
    const Canonical canonical(s.kernels, s.metric, s.base.width);
    const Frame frame = make_frame(s.metric, canonical, s.queries, s.base, {nullptr, s.base.count});
    const std::size_t n = s.queries.count;
    if (few) {
        FewScreen screen(s.kernels, s.metric, canonical, s.base.width);
        for (std::size_t i = 0; i < n; i += FewScreen::kMostQueries)
            all_intervals(s, i, std::min(n, i + FewScreen::kMostQueries), screen, lower, upper);
    } else {
        PanelScreen screen(s.kernels, frame, canonical, n);
        all_intervals(s, 0, n, screen, lower, upper);
    }
}

}  // namespace hardmine
