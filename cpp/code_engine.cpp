// The calls of the engine for packed codes: as engine.cpp, with exact screens and distances that can be counted.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "code_screens.hpp"
#include "counting.hpp"
#include "engine.hpp"
#include "guess.hpp"
#include "isa.hpp"
#include "memory.hpp"
#include "scan.hpp"

namespace hardmine {
namespace {

constexpr std::size_t kFairQueries = 64;     // to a thread: packing is a third of their work, merging parts would be more
constexpr std::size_t kSmallWork = 1 << 22;  // bytes compared that one thread finishes before others have woken

int choose_threads(const CodeSearch& s) {
    return s.queries.count * s.base.count * s.base.width < kSmallWork ? 1 : usable_threads(s.threads);
}

// The queries that a thread takes at a time.
std::size_t most_queries(const CodeSearch& s, const CodeKernels& kernels, std::size_t per_query, std::size_t fixed,
                         int threads) {
    fixed += FewCodeScreen::bytes();
    return queries_in_memory(threads, CodeScreen::bytes_per_query() + per_query,
                             fixed + CodeScreen::bytes(kernels, s.base.width), FewCodeScreen::kMostQueries, fixed);
}

template <class Sink>
struct Workspace {
    std::optional<CodeScreen> panels;  // if a task has more than a few queries
    FewCodeScreen few;
    Sink sink;
    std::optional<Guess> guess;
    std::vector<Key> keys;
};

// Calls run_task(task, workspace) for every task of a plan, with a workspace a thread whose sink is made by make_sink().
// Everything is allocated here: a task may not throw.
template <class Sink, class MakeSink, class RunTask>
void run(const CodeSearch& s, const CodeKernels& kernels, std::size_t k, const Filter& filter, const Plan& plan, int threads,
         Watch& watch, MakeSink&& make_sink, RunTask&& run_task) {
    std::vector<std::unique_ptr<Workspace<Sink>>> workspaces;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t) {
        workspaces.emplace_back(
            new Workspace<Sink>{{}, FewCodeScreen(kernels, s.base.width), make_sink(), {}, std::vector<Key>(k)});
        if (plan.longest() <= FewCodeScreen::kMostQueries) continue;
        workspaces.back()->panels.emplace(kernels, s.base.width, plan.longest());
        if (Guess::serves(k, filter)) workspaces.back()->guess.emplace(s, filter, plan, k, 8 * s.base.width + 1);
    }
    run_tasks(plan.tasks().size(), threads, watch,
              [&](std::size_t t, int thread) { run_task(plan.tasks()[t], *workspaces[static_cast<std::size_t>(thread)]); });
}

// The first distance within which there are `top` codes, as they are counted.
class CountLimit {
  public:
    CountLimit(std::size_t top, std::size_t levels) : top_(top), limit_(levels - 1) {}

    float bound() const { return static_cast<float>(limit_); }

    // After a code has been added to counts. Returns whether the bound became tighter.
    bool count(std::size_t distance, const std::uint32_t* counts) {
        if (distance > limit_) return false;
        if (++within_ < top_) return false;
        const std::size_t before = limit_;
        while (within_ - counts[limit_] >= top_) within_ -= counts[limit_--];
        return limit_ < before;
    }

  private:
    std::size_t top_, limit_, within_ = 0;
};

}  // namespace

void topk(const CodeSearch& s, std::size_t k, const Filter& filter, std::int32_t* distances, std::int64_t* indices,
          const Watcher& watcher) {
    const CodeKernels& kernels = kernels_in_use().codes;
    const std::size_t levels = 8 * s.base.width + 1, reach = s.base.count;
    const int threads = choose_threads(s);
    const std::size_t n = s.queries.count;
    const bool capped = filter.max_per_group != 0, guess = Guess::serves(k, filter);
    const GroupCaps caps(filter, s.base.extent(), k);
    const std::size_t per_query = (capped ? TopK::bytes_per_row(k, reach) : CountingTopK::bytes_per_row(k, reach, levels)) +
                                  (guess ? Guess::bytes_per_row(k, reach, levels) : 0);
    const std::size_t fixed = k * sizeof(Key) + (capped ? TopK::bytes(k, reach, filter) : (levels + 1) * sizeof(std::size_t)) +
                              (guess ? Guess::bytes(reach) : 0);
    const std::size_t parts = kPartBytes / std::max<std::size_t>(1, n * k * sizeof(Key));
    const Plan plan(filter, s.queries.extent(), s.base.extent(), most_queries(s, kernels, per_query, fixed, threads),
                    kFairQueries, parts, threads);
    if (!plan.complete())
        for (std::size_t i = 0; i < n; ++i) write_row(nullptr, 0, k, distances + i * k, indices + i * k);
    if (plan.tasks().empty()) return;
    Scan<std::uint8_t, std::int32_t> scan(s, k, filter, caps, plan, distances, indices);
    Watch watch(watcher, plan.pairs());
    auto scan_task = [&](const Task& task, auto& work) {
        Known known;
        if (task.query_end - task.query_begin <= FewCodeScreen::kMostQueries)
            scan.run(task, work.few, work.sink, known, work.keys.data(), watch);
        else
            scan.run(task, *work.panels, work.sink, known, work.keys.data(), watch);
    };
    if (capped)
        run<TopK>(
            s, kernels, k, filter, plan, threads, watch, [&] { return TopK(plan.longest(), k, plan.reach(), filter, caps); },
            scan_task);
    else
        run<CountingTopK>(
            s, kernels, k, filter, plan, threads, watch,
            [&] { return CountingTopK(plan.longest(), k, plan.reach(), levels, filter); },
            [&](const Task& task, Workspace<CountingTopK>& work) {
                if (work.guess && Guess::serves(task, k)) {
                    work.sink.guess(&work.guess->limits(task, *work.panels));
                    scan_task(task, work);
                    work.sink.guess(nullptr);
                    if (!work.sink.fell_short()) return;
                }
                scan_task(task, work);
            });
    if (watch.stopped()) throw Stopped();
    scan.merge();
}

void pairwise(const CodeSearch& s, std::int32_t* out, std::size_t stride, const Watcher& watcher) {
    const CodeKernels& kernels = kernels_in_use().codes;
    const int threads = choose_threads(s);
    const Filter everything;
    const Plan plan(everything, s.queries.extent(), s.base.extent(), most_queries(s, kernels, 0, 0, threads), kFairQueries,
                    s.base.count, threads);
    if (plan.tasks().empty()) return;
    std::vector<std::unique_ptr<CodeScreen>> screens;
    for (std::size_t t = 0; t < std::min<std::size_t>(static_cast<std::size_t>(threads), plan.tasks().size()); ++t)
        screens.emplace_back(new CodeScreen(kernels, s.base.width, plan.longest()));
    Watch watch(watcher, plan.pairs());
    run_tasks(plan.tasks().size(), threads, watch, [&](std::size_t t, int thread) {
        const Task& task = plan.tasks()[t];
        CodeScreen& screen = *screens[static_cast<std::size_t>(thread)];
        screen.load_queries(s.queries, plan.query(), task.query_begin, task.query_end);
        const std::size_t n = task.query_end - task.query_begin, block = block_rows(screen.most_rows(), n, s.base.width, 0);
        for (std::size_t begin = task.base_begin; begin < task.base_end; begin += block) {
            const std::size_t end = std::min(task.base_end, begin + block);
            screen.load_block(s.base, plan.base(), begin, end);
            screen.write(out + task.query_begin * stride + begin, stride);
            if (!watch.step(n * (end - begin))) return;
        }
    });
    if (watch.stopped()) throw Stopped();
}

void pair_distances(const CodeSearch& s, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    std::int32_t* distances, const Watcher& watcher) {
    const CodeKernels& kernels = kernels_in_use().codes;
    constexpr std::size_t kBatch = 1 << 16;
    const int threads = pairs * s.base.width < kSmallWork ? 1 : usable_threads(s.threads);
    Watch watch(watcher, pairs);
    run_tasks((pairs + kBatch - 1) / kBatch, threads, watch, [&](std::size_t batch, int) {
        const std::size_t begin = batch * kBatch, end = std::min(pairs, begin + kBatch);
        for (std::size_t p = begin; p < end; ++p) {
            const std::size_t q = position(&rows[p], s.queries.count), b = position(&cols[p], s.base.count);
            distances[p] = static_cast<std::int32_t>(kernels.hamming(s.queries[q], s.base[b], s.base.width));
        }
        watch.step(end - begin);
    });
    if (watch.stopped()) throw Stopped();
}

void histograms(const CodeSearch& s, const Relevance& relevance, std::size_t top, std::size_t levels, std::uint32_t* counts,
                std::uint32_t* relevant, const Watcher& watcher) {
    const CodeKernels& kernels = kernels_in_use().codes;
    constexpr std::size_t kMostRange = 256;  // queries of a task, for which the base is packed once
    const std::size_t n = s.queries.count, m = s.base.count;
    const auto threads = static_cast<std::size_t>(choose_threads(s));
    const std::size_t range = std::clamp<std::size_t>((n + threads - 1) / threads, 1, kMostRange);
    const Selection queries{nullptr, n}, base{nullptr, m};
    std::fill_n(counts, n * levels, 0u);
    std::fill_n(relevant, n * levels, 0u);
    std::vector<std::unique_ptr<CodeScreen>> screens;
    for (std::size_t t = 0; t < threads; ++t) screens.emplace_back(new CodeScreen(kernels, s.base.width, range));
    std::vector<std::vector<CountLimit>> all_limits(threads, std::vector<CountLimit>(range, CountLimit(top, levels)));
    Watch watch(watcher, static_cast<std::uint64_t>(n) * m);
    run_tasks((n + range - 1) / range, static_cast<int>(threads), watch, [&](std::size_t t, int thread) {
        const std::size_t first = t * range, last = std::min(n, first + range);
        CodeScreen& screen = *screens[static_cast<std::size_t>(thread)];
        std::vector<CountLimit>& limits = all_limits[static_cast<std::size_t>(thread)];
        std::fill(limits.begin(), limits.end(), CountLimit(top, levels));
        screen.load_queries(s.queries, queries, first, last);
        for (std::size_t i = 0; i < last - first; ++i) screen.set_bound(i, limits[i].bound());
        const std::size_t block = block_rows(screen.most_rows(), last - first, s.base.width, 0);
        for (std::size_t begin = 0; begin < m; begin += block) {
            const std::size_t end = std::min(m, begin + block);
            screen.load_block(s.base, base, begin, end);
            screen.scan([&](std::size_t i, std::size_t j, std::uint32_t distance, std::uint32_t) {
                const std::size_t q = first + i, at = q * levels + distance;
                relevant[at] += relevance.relevant(q, begin + j);
                ++counts[at];
                if (limits[i].count(distance, counts + q * levels)) screen.set_bound(i, limits[i].bound());
            });
            if (!watch.step((last - first) * (end - begin))) return;
        }
        for (std::size_t i = 0; i < last - first; ++i)
            for (std::uint32_t* table : {counts, relevant}) {
                std::uint32_t* row = table + (first + i) * levels;
                std::fill(row + static_cast<std::size_t>(limits[i].bound()) + 1, row + levels, 0u);
            }
    });
    if (watch.stopped()) throw Stopped();
}

}  // namespace hardmine
