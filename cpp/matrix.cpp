// Distances of all pairs as a matrix, and of listed pairs: every pair is an answer, so that kernels write rows and nothing is
// offered to a sink. The one loop beside scan/visit.hpp.
#include <algorithm>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"
#include "scan/families.hpp"
#include "scan/team.hpp"
#include "scan/visit.hpp"
#include "screens/quantised_trial.hpp"
#include "sinks/intervals.hpp"

namespace hardmine {
namespace {

constexpr std::size_t kSmallMatrix = 1 << 23;  // in float64 a millisecond; a batch is mined between steps of training

// The screen of a thread and, for floats, what scores the pairs of a query and a panel whose values are too doubtful.
struct FloatWriter {
    using Family = Floats;

    FloatWriter(const Floats& family, const Frame& frame, std::size_t longest)
        : search(family.search),
          screen(family.kernels.tile, frame, family.canonical, longest),
          canonical(family.canonical),
          rows(family.kernels.tile.lanes),
          factors(rows.size()),
          distances(rows.size()) {}

    void write(const Task& task, const Selection& base, float* out, std::size_t stride) {
        screen.write(out, stride, [&](std::size_t i, std::span<const Hit> hits) {
            for (std::size_t h = 0; h < hits.size(); ++h) {
                rows[h] = search.base[base[hits[h].lane]];
                factors[h] = screen.factor(hits[h].lane);
            }
            canonical.load(search.queries[task.rows[i]], screen.query_factor(i));
            canonical.distances(rows.data(), factors.data(), hits.size(), distances.data());
            for (std::size_t h = 0; h < hits.size(); ++h) out[i * stride + hits[h].lane] = distances[h];
        });
    }

    const FloatSearch& search;
    PanelScreen screen;
    CanonicalRows canonical;
    std::vector<const float*> rows;
    std::vector<double> factors;
    std::vector<float> distances;
};

struct CodeWriter {
    using Family = PackedCodes;
    CodeWriter(const PackedCodes& family, std::size_t longest)
        : screen(family.kernels.codes, family.search.base.width, longest) {}
    void write(const Task&, const Selection&, std::int32_t* out, std::size_t stride) { screen.write(out, stride); }
    CodeScreen screen;
};

// Lets no more threads take part than have room for a query each, beside `fixed` bytes.
Plan matrix_plan(auto& family, std::size_t stride, std::size_t fixed) {
    family.threads = threads_in_memory(family.threads, fixed + family.screen_bytes(1));
    const auto& s = family.search;
    const Filter everything;
    const std::size_t rows = rows_at_once(stride, family.most_queries(0, 0));
    return Plan(everything, {nullptr, 0, s.queries.count}, 0, s.base.extent(), rows, family.kFairQueries, s.base.count,
                family.threads);
}

template <class Writer, class Distance, class Make>
void write_matrix(const typename Writer::Family& family, const Plan& plan, Distance* out, std::size_t stride,
                  const Watcher& watcher, Make&& make) {
    const auto& s = family.search;
    Team<typename Writer::Family::Row, Writer> team(s.base, plan.tasks().size(), family.threads, plan.pairs(), watcher, make);
    team.run(plan.tasks().size(), [&](std::size_t t, Writer& writer, Watch& watch) {
        const Task& task = plan.tasks()[t];
        const std::size_t block = block_rows(writer.screen.most_rows(), task.rows.count, s.base.width, 0);
        bool good = true;
        writer.screen.load_queries(s.queries, task.rows);
        visit_blocks(task.base.count, block, true, [&](std::size_t begin, std::size_t end) {
            const Selection base = task.base.part(begin, end);
            good = writer.screen.load_block(s.base, base);
            if (!good) return false;
            writer.write(task, base, out + task.rows.first * stride + base.first, stride);
            return watch.step(task.rows.count * base.count);
        });
        return good;
    });
}

}  // namespace

void pairwise(const FloatSearch& s, float* out, std::size_t stride, const Watcher& watcher) {
    Floats family(s, watcher);
    const Plan plan = matrix_plan(family, stride, CanonicalRows::bytes(s.base.width));
    if (plan.tasks().empty()) return;
    const Frame frame = make_frame(s.metric, family.canonical, s.queries, s.base, plan.base());
    write_matrix<FloatWriter>(family, plan, out, stride, watcher,
                              [&] { return new FloatWriter(family, frame, plan.longest()); });
}

void pairwise(const CodeSearch& s, std::int32_t* out, std::size_t stride, const Watcher& watcher) {
    PackedCodes family(s, watcher);
    const Plan plan = matrix_plan(family, stride, 0);
    if (plan.tasks().empty()) return;
    write_matrix<CodeWriter>(family, plan, out, stride, watcher, [&] { return new CodeWriter(family, plan.longest()); });
}

void pair_distances(const FloatSearch& s, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    float* distances, const Watcher& watcher) {
    constexpr std::size_t kAhead = 4;                             // rows anywhere in memory are asked for early
    constexpr std::size_t kMostFactors = 1 << 20;                 // that are kept: 8 MiB
    constexpr std::size_t kMostBatch = 4096, kNumbers = 1 << 26;  // pairs that a thread takes at a time, and their numbers
    const Floats family(s, watcher);
    const Canonical& canonical = family.canonical;
    const std::size_t m = s.base.count, step = std::clamp<std::size_t>(kNumbers / s.base.width, 1, kMostBatch);
    const std::size_t batches = (pairs + step - 1) / step;
    std::vector<double> factors(pairs > m && m <= kMostFactors ? m : 0);  // where a base row occurs more than once
    Watch before(watcher, 0);
    for (std::size_t j = 0; j < factors.size(); ++j) {
        factors[j] = canonical.factor(s.base[j]);
        if (j % 1024 == 0 && !before.step(0)) throw Stopped();
    }
    const int threads = threads_for(pairs * s.base.width, Floats::kSmallWork, s.threads);
    Team<float, NoWork> team(s.base, batches, threads, pairs, watcher, [] { return new NoWork; });
    team.run(batches, [&](std::size_t batch, NoWork&, Watch& watch) {
        const std::size_t begin = batch * step, end = std::min(pairs, begin + step);
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
            if ((!std::isfinite(distances[p]) || b_factor == 0) && !finite(b, s.base.width)) return false;
        }
        watch.step(end - begin);
        return true;
    });
}

void pair_distances(const CodeSearch& s, const std::int64_t* rows, const std::int64_t* cols, std::size_t pairs,
                    std::int32_t* distances, const Watcher& watcher) {
    constexpr std::size_t kMostBatch = 1 << 16, kBytes = 1 << 28;
    const Kernels kernels = kernels_in_use();
    const std::size_t step = std::clamp<std::size_t>(kBytes / s.base.width, 1, kMostBatch),
                      batches = (pairs + step - 1) / step;
    const int threads = threads_for(pairs * s.base.width, PackedCodes::kSmallWork, s.threads);
    Team<std::uint8_t, NoWork> team(s.base, batches, threads, pairs, watcher, [] { return new NoWork; });
    team.run(batches, [&](std::size_t batch, NoWork&, Watch& watch) {
        const std::size_t begin = batch * step, end = std::min(pairs, begin + step);
        for (std::size_t p = begin; p < end; ++p) {
            const std::size_t q = position(&rows[p], s.queries.count), b = position(&cols[p], s.base.count);
            distances[p] = static_cast<std::int32_t>(kernels.codes.hamming(s.queries[q], s.base[b], s.base.width));
        }
        watch.step(end - begin);
        return true;
    });
}

void canonical_matrix(const FloatSearch& s, bool self, float* out, const Watcher& watcher) {
    constexpr std::size_t kTile = 32;  // rows of either side: 32 KiB at 128 dimensions
    const std::size_t n = s.queries.count, m = s.base.count, tiles = (n + kTile - 1) / kTile;
    const Kernels kernels = kernels_in_use();
    const Canonical canonical(kernels.canonical, s.metric, s.base.width);
    std::vector<double> query_factors(n), base_factors(m);
    for (std::size_t i = 0; i < n; ++i) query_factors[i] = canonical.factor(s.queries[i]);
    for (std::size_t j = 0; j < m; ++j) base_factors[j] = canonical.factor(s.base[j]);
    const int threads = threads_for(n * m * s.base.width, kSmallMatrix, s.threads);
    Team<float, NoWork> team(s.base, tiles, threads, static_cast<std::uint64_t>(n) * m, watcher, [] { return new NoWork; });
    team.run(tiles, [&](std::size_t tile, NoWork&, Watch& watch) {
        const std::size_t begin = tile * kTile, end = std::min(n, begin + kTile);
        for (std::size_t first = self ? begin : 0; first < m; first += kTile) {
            const std::size_t last = std::min(m, first + kTile);
            for (std::size_t i = begin; i < end; ++i)
                for (std::size_t j = self ? std::max(first, i) : first; j < last; ++j) {
                    const float distance = canonical.distance(s.queries[i], query_factors[i], s.base[j], base_factors[j]);
                    out[i * m + j] = distance;
                    if (self) out[j * m + i] = distance;  // canonical distances are symmetric to the last bit
                }
            if (!watch.step((end - begin) * (last - first))) break;
        }
        return true;
    });
}

namespace {

// The intervals of a coarse screen, told of no bound.
template <class Format>
void coarse_intervals(const FloatSearch& s, const Floats& family, const Frame& frame, bool again, float* lower, float* upper) {
    const std::size_t n = s.queries.count, m = s.base.count;
    if (!Format::serves(frame)) {
        std::fill_n(lower, n * m, frame.distance(-static_cast<double>(kInfinity)));
        std::fill_n(upper, n * m, kInfinity);
        return;
    }
    QuantisedScreen<Format> screen(Format::table(family.kernels), family.kernels.few, family.kernels.tile, frame,
                                   family.canonical, n, true);
    screen.load_queries(s.queries, {nullptr, 0, n});
    for (std::size_t i = 0; i < n; ++i) screen.set_bound(i, kInfinity);
    Watch unwatched(kNobody, 0);
    visit_blocks(m, screen.most_rows(), true, [&](std::size_t begin, std::size_t end) {
        if (!screen.load_block(s.base, {nullptr, begin, end - begin})) report_not_finite(s.base, true, unwatched);
        screen.scan(
            [&](std::size_t i, std::size_t j, float low) {
                if (!again) lower[i * m + begin + j] = low;
                return true;
            },
            [&](std::size_t i, std::size_t j, float low, float high) {
                if (again) lower[i * m + begin + j] = low;
                upper[i * m + begin + j] = high;
            });
        return true;
    });
}

}  // namespace

void intervals(const FloatSearch& s, const std::string& screen, float* lower, float* upper) {
    constexpr std::string_view kScreens[] = {"few", "many", "int8", "int8 again", "bf16", "bf16 again"};
    if (std::find(std::begin(kScreens), std::end(kScreens), screen) == std::end(kScreens))
        throw std::invalid_argument("expected few, many, int8, int8 again, bf16 or bf16 again, got '" + screen + "'");
    Floats family(s, kNobody);
    const Filter everything;
    const Judge judge(everything);
    const bool few = screen == "few";
    const std::size_t n = s.queries.count, step = few ? FewScreen::kMostQueries : n;
    const Selection queries{nullptr, 0, n}, base{nullptr, 0, s.base.count};
    const Frame frame = make_frame(s.metric, family.canonical, s.queries, s.base, base);
    for (float* ends : {lower, upper}) std::fill_n(ends, n * s.base.count, std::numeric_limits<float>::quiet_NaN());
    const bool again = screen.ends_with(" again");
    if (screen.starts_with("int8")) return coarse_intervals<Int8>(s, family, frame, again, lower, upper);
    if (screen.starts_with("bf16")) return coarse_intervals<BFloat16>(s, family, frame, again, lower, upper);
    PanelScreen many_screen(family.kernels.tile, frame, family.canonical, few ? 0 : n);
    FewScreen few_screen(family.kernels.few, s.metric, family.canonical, s.base.width);
    Intervals sink(s.base.count, lower, upper);
    NoScores none;
    Watch unwatched(kNobody, 0);
    const Loop<float> loop(s, judge, unwatched);
    for (std::size_t i = 0; i < n; i += step) {
        const Task task{queries.part(i, std::min(n, i + step)), base};
        if (!(few ? loop.visit(task, sink, none, few_screen) : loop.visit(task, sink, none, many_screen)))
            report_not_finite(s.base, true, unwatched);
    }
}

void quantised_products(const std::string& family, const std::int8_t* queries, std::size_t n, const std::int8_t* base,
                        std::size_t m, std::size_t d, const float* high, float* products) {
    const QuantisedKernels& kernels = quantised(kernels_in_use(), family);
    std::fill_n(products, n * m, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t first = 0; first < m; first += kernels.lanes) {
        QuantisedTrial trial(n, std::min(kernels.lanes, m - first), d);
        std::copy_n(queries, n * d, trial.queries.begin());
        std::copy_n(base + first * d, trial.m * d, trial.base.begin());
        std::copy_n(high, n, trial.high.begin());
        for (const Hit& hit : trial.hits(kernels, false)) products[hit.row * m + first + hit.lane] = hit.value;
    }
}

}  // namespace hardmine
