// The scan: Screen x Filter x Sink over a plan of tasks.
//
// A task is a range of queries against a range of base rows. Its thread loads the queries into a screen once, then goes through the
// base block by block: load the block, let the screen name the pairs that its intervals cannot rule out, ask the filter, offer
// the pair to the sink, and hand the sink's tighter bound back to the screen. At the end the sink scores what is left by the
// canonical distance. Blocks are visited in strides of the golden ratio, so that rows sorted by distance do not make every
// block better than all before it; no order changes the result.
//
// Memory is taken before the first thread starts and bounded by kSharedBytes + kThreadBytes a thread.
#include "engine.hpp"

#include <memory>
#include <numeric>
#include <vector>

#include "few_screen.hpp"
#include "panel_screen.hpp"
#include "plan.hpp"
#include "sinks.hpp"

namespace hardmine {
namespace {

constexpr std::size_t kSharedBytes = 32 << 20, kThreadBytes = 2 << 20;
constexpr std::size_t kSmallWork = 1 << 20;  // multiply-adds that one thread finishes before others have woken

[[noreturn]] void report_not_finite(const Rows<float>& rows, bool base) {
    for (std::size_t i = 0;; ++i)
        if (!finite(rows[i], rows.width)) throw NotFinite(base, rows.first + i);
}

int choose_threads(const Search& s) {
    const int threads = usable_threads(s.threads);
    return s.queries.count * s.base.count * s.base.width < kSmallWork ? 1 : threads;
}

void check_queries(const Search& s) {
    for (std::size_t i = 0; i < s.queries.count; ++i)
        if (!finite(s.queries[i], s.queries.width)) throw NotFinite(false, s.queries.first + i);
}

std::size_t queries_in_memory(std::size_t bytes_per_query, int threads) {
    const std::size_t budget = kThreadBytes + kSharedBytes / static_cast<std::size_t>(threads);
    return std::max<std::size_t>(PanelScreen::kQueryTile, budget / bytes_per_query);
}

// Calls visit(begin, end) for the blocks of [begin, end), each once, in strides of about 0.618 of their number.
template <class Visit>
void visit_blocks(std::size_t begin, std::size_t end, std::size_t block, Visit&& visit) {
    const std::size_t blocks = (end - begin + block - 1) / block;
    std::size_t stride = std::max<std::size_t>(1, static_cast<std::size_t>(0.618 * static_cast<double>(blocks)));
    while (std::gcd(stride, blocks) > 1) ++stride;
    for (std::size_t i = 0, b = 0; i < blocks; ++i, b = (b + stride) % blocks)
        if (!visit(begin + b * block, std::min(end, begin + (b + 1) * block))) return;
}

void write_row(const Key* keys, std::size_t found, std::size_t k, float* distances, std::int64_t* indices) {
    for (std::size_t i = 0; i < k; ++i) {
        distances[i] = i < found ? distance_of(keys[i]) : kInfinity;
        indices[i] = i < found ? static_cast<std::int64_t>(index_of(keys[i])) : -1;
    }
}

// What a thread works with. Either screen can serve a task.
struct Workspace {
    PanelScreen panels;
    FewScreen few;
    TopK sink;
    std::vector<double> factors;
    std::vector<Key> keys;
};

struct Known {  // the score of pairs that are known already: never asked
    float operator()(std::uint32_t) const { return kInfinity; }
    void fetch(std::uint32_t) const {}
};

class Scan {
  public:
    Scan(const Search& s, std::size_t k, const Filter& filter, const Canonical& canonical, const Plan& plan, float* distances,
         std::int64_t* indices)
        : s_(s), k_(k), filter_(filter), canonical_(canonical), plan_(plan), distances_(distances), indices_(indices) {
        if (plan.parts() > 1) parts_.assign(s.queries.count * plan.parts() * k, kNoKey);
    }

    bool met_bad_row() const { return met_bad_row_; }

    void run(const Task& task, Workspace& work, Watch& watch) {
        if (task.query_end - task.query_begin <= FewScreen::kMostQueries)
            run(task, work.few, work, watch);
        else
            run(task, work.panels, work, watch);
    }

    // The parts of each query, where the base was cut, offered to the sink once more as what they are: exact.
    void merge(TopK& sink) {
        std::vector<Key> keys(k_);
        const Known known;
        for (std::size_t i = 0; i < s_.queries.count; ++i) {
            sink.start(0, s_.queries.first + i);
            for (std::size_t p = 0; p < plan_.parts() * k_; ++p) {
                const Key key = parts_[i * plan_.parts() * k_ + p];
                if (key != kNoKey)
                    sink.offer(0, s_.queries.first + i, distance_of(key), distance_of(key), index_of(key), known);
            }
            write_row(keys.data(), sink.finish(0, known, keys.data()), k_, distances_ + i * k_, indices_ + i * k_);
        }
    }

  private:
    struct Score {
        const Scan& scan;
        const float* query;
        double factor;
        float operator()(std::uint32_t index) const { return scan.canonical_.distance(query, factor, row(index)); }
        void fetch(std::uint32_t index) const {
            const float* r = row(index);
            for (std::size_t k = 0; k < std::min<std::size_t>(scan.s_.base.width, 2048); k += 16) __builtin_prefetch(r + k);
        }
        const float* row(std::uint32_t index) const { return scan.s_.base[index - scan.s_.base.first]; }
    };

    template <class Screen>
    void run(const Task& task, Screen& screen, Workspace& work, Watch& watch) {
        const std::size_t n = task.query_end - task.query_begin;
        auto query = [&](std::size_t i) { return plan_.query()[task.query_begin + i]; };
        auto score = [&](std::size_t i) { return Score{*this, s_.queries[query(i)], work.factors[i]}; };
        screen.load_queries(s_.queries, plan_.query(), task.query_begin, task.query_end);
        for (std::size_t i = 0; i < n; ++i) {
            work.factors[i] = canonical_.factor(s_.queries[query(i)]);
            work.sink.start(i, s_.queries.first + query(i));
            screen.set_bound(i, work.sink.bound(i));
        }
        const std::size_t block = s_.block ? std::min(s_.block, screen.most_rows()) : screen.most_rows();
        visit_blocks(task.base_begin, task.base_end, block, [&](std::size_t begin, std::size_t end) {
            if (!screen.load_block(s_.base, plan_.base(), begin, end)) {
                met_bad_row_ = true;
                watch.stop();
                return false;
            }
            if (filter_.farther_than)
                for (std::size_t i = 0; i < n; ++i) screen.set_floor(i, filter_.farther_than[s_.queries.first + query(i)]);
            screen.scan([&](std::size_t i, std::size_t j, float lower, float upper) {
                const std::size_t q = s_.queries.first + query(i), b = s_.base.first + plan_.base()[begin + j];
                if (!filter_.allows(q, b)) return;
                if (work.sink.offer(i, q, lower, upper, static_cast<std::uint32_t>(b), score(i)))
                    screen.set_bound(i, work.sink.bound(i));
            });
            return watch.step(static_cast<std::uint64_t>(n) * (end - begin));
        });
        if (watch.stopped()) return;
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t row = query(i);
            Key* keys = parts_.empty() ? work.keys.data() : &parts_[(row * plan_.parts() + task.part) * k_];
            const std::size_t found = work.sink.finish(i, score(i), keys);
            if (parts_.empty()) write_row(keys, found, k_, distances_ + row * k_, indices_ + row * k_);
        }
    }

    const Search& s_;
    std::size_t k_;
    const Filter& filter_;
    const Canonical& canonical_;
    const Plan& plan_;
    float* distances_;
    std::int64_t* indices_;
    std::vector<Key> parts_;
    std::atomic<bool> met_bad_row_{false};
};

}  // namespace

void topk(const Search& s, std::size_t k, const Filter& filter, float* distances, std::int64_t* indices,
          const Watcher& watcher) {
    check_queries(s);
    const std::size_t d = s.base.width;
    const int threads = choose_threads(s);
    const Canonical canonical(s.kernels, s.metric, d);
    const std::size_t bytes = PanelScreen::bytes_per_query(d) + TopK::bytes_per_row(k, s.base.count) + sizeof(double);
    const Plan plan(filter, s.queries, s.base, queries_in_memory(bytes, threads), threads);
    for (std::size_t i = 0; i < s.queries.count; ++i) write_row(nullptr, 0, k, distances + i * k, indices + i * k);
    if (plan.tasks().empty()) return;

    const Frame frame = make_frame(s.metric, canonical, s.queries, s.base, plan.base());
    const std::size_t for_panels = plan.longest() > FewScreen::kMostQueries ? plan.longest() : 0;
    std::vector<std::unique_ptr<Workspace>> workspaces;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t)
        workspaces.emplace_back(new Workspace{PanelScreen(s.kernels, frame, canonical, for_panels),
                                              FewScreen(s.kernels, s.metric, canonical, d),
                                              TopK(plan.longest(), k, plan.reach(), filter),
                                              std::vector<double>(plan.longest()), std::vector<Key>(k)});
    Scan scan(s, k, filter, canonical, plan, distances, indices);
    Watch watch(watcher, plan.pairs());
    run_tasks(plan.tasks().size(), threads, watch, [&](std::size_t task, int thread) {
        scan.run(plan.tasks()[task], *workspaces[static_cast<std::size_t>(thread)], watch);
    });
    if (scan.met_bad_row()) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
    if (plan.parts() > 1) {
        TopK sink(1, k, plan.parts() * k, filter);
        scan.merge(sink);
    }
}

void pairwise(const Search& s, float* out, std::size_t stride, const Watcher& watcher) {
    check_queries(s);
    const std::size_t d = s.base.width;
    const int threads = choose_threads(s);
    const Canonical canonical(s.kernels, s.metric, d);
    const Filter everything;
    const Plan plan(everything, s.queries, s.base, queries_in_memory(PanelScreen::bytes_per_query(d), threads), threads);
    if (plan.tasks().empty()) return;
    const Frame frame = make_frame(s.metric, canonical, s.queries, s.base, plan.base());
    std::vector<std::unique_ptr<PanelScreen>> screens;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t)
        screens.emplace_back(new PanelScreen(s.kernels, frame, canonical, plan.longest()));
    std::atomic<bool> bad_row{false};
    Watch watch(watcher, plan.pairs());
    run_tasks(plan.tasks().size(), threads, watch, [&](std::size_t t, int thread) {
        const Task& task = plan.tasks()[t];
        PanelScreen& screen = *screens[static_cast<std::size_t>(thread)];
        screen.load_queries(s.queries, plan.query(), task.query_begin, task.query_end);
        screen.prepare_rows_for_write();
        for (std::size_t begin = task.base_begin; begin < task.base_end; begin += screen.most_rows()) {
            const std::size_t end = std::min(task.base_end, begin + screen.most_rows());
            if (!screen.load_block(s.base, plan.base(), begin, end)) {
                bad_row = true;
                watch.stop();
                return;
            }
            screen.prepare_block_for_write();
            screen.write(out + task.query_begin * stride + begin, stride, [&](std::size_t i, std::size_t j) {
                const float* q = s.queries[task.query_begin + i];
                out[(task.query_begin + i) * stride + begin + j] = canonical.distance(q, canonical.factor(q), s.base[begin + j]);
            });
            if (!watch.step((task.query_end - task.query_begin) * (end - begin))) return;
        }
    });
    if (bad_row) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
}

void pair_distances(const Search& s, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs, float* distances,
                    const Watcher& watcher) {
    constexpr std::size_t kBatch = 4096;
    check_queries(s);
    const Canonical canonical(s.kernels, s.metric, s.base.width);
    const int threads = pairs * s.base.width < kSmallWork ? 1 : usable_threads(s.threads);
    std::atomic<bool> bad_row{false};
    Watch watch(watcher, pairs);
    run_tasks((pairs + kBatch - 1) / kBatch, threads, watch, [&](std::size_t batch, int) {
        const std::size_t begin = batch * kBatch, end = std::min(pairs, begin + kBatch);
        for (std::size_t p = begin; p < end; ++p) {
            const float* q = s.queries[static_cast<std::size_t>(rows[p])];
            const float* b = s.base[static_cast<std::size_t>(cols[p])];
            if (!finite(b, s.base.width)) {
                bad_row = true;
                watch.stop();
                return;
            }
            distances[p] = canonical.distance(q, canonical.factor(q), b);
        }
        watch.step(end - begin);
    });
    if (bad_row) report_not_finite(s.base, true);
    if (watch.stopped()) throw Stopped();
}

namespace {

template <class Screen>
void all_intervals(const Search& s, Screen& screen, float* lower, float* upper) {
    const Selection queries{nullptr, s.queries.count}, base{nullptr, s.base.count};
    screen.load_queries(s.queries, queries, 0, queries.count);
    for (std::size_t i = 0; i < queries.count; ++i) screen.set_bound(i, kInfinity);
    for (std::size_t begin = 0; begin < base.count; begin += screen.most_rows()) {
        screen.load_block(s.base, base, begin, std::min(base.count, begin + screen.most_rows()));
        screen.scan([&](std::size_t i, std::size_t j, float least, float most) {
            lower[i * base.count + begin + j] = least;
            upper[i * base.count + begin + j] = most;
        });
    }
}

}  // namespace

void intervals(const Search& s, bool few, float* lower, float* upper) {
    const Canonical canonical(s.kernels, s.metric, s.base.width);
    const Frame frame = make_frame(s.metric, canonical, s.queries, s.base, {nullptr, s.base.count});
    if (few) {
        FewScreen screen(s.kernels, s.metric, canonical, s.base.width);
        all_intervals(s, screen, lower, upper);
    } else {
        PanelScreen screen(s.kernels, frame, canonical, s.queries.count);
        all_intervals(s, screen, lower, upper);
    }
}

}  // namespace hardmine
