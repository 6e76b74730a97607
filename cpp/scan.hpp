// One task of a scan: Screen x Filter x Sink.
//
// The thread loads a range of queries into a screen once, then goes through a range of base rows block by block: load
// the block, let the screen name the pairs that its intervals cannot rule out, ask the filter, offer the pair to the sink, and
// hand the sink's tighter bound back to the screen. At the end the sink scores what is left by the canonical distance.
// Blocks are visited in strides of the golden ratio, so that rows sorted by distance do not make every block better than
// all before it; no order changes the result.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "engine.hpp"
#include "few_screen.hpp"
#include "panel_screen.hpp"
#include "parallel.hpp"
#include "plan.hpp"
#include "sinks.hpp"

namespace hardmine {

// Calls visit(begin, end) for the blocks of [begin, end), each once, in strides of about 0.618 of their number.
template <class Visit>
void visit_blocks(std::size_t begin, std::size_t end, std::size_t block, Visit&& visit) {
    const std::size_t blocks = (end - begin + block - 1) / block;
    std::size_t stride = std::max<std::size_t>(1, static_cast<std::size_t>(0.618 * static_cast<double>(blocks)));
    while (std::gcd(stride, blocks) > 1) ++stride;
    for (std::size_t i = 0, b = 0; i < blocks; ++i, b = (b + stride) % blocks)
        if (!visit(begin + b * block, std::min(end, begin + (b + 1) * block))) return;
}

[[noreturn]] inline void report_not_finite(const Rows<float>& rows, bool base) {
    for (std::size_t i = 0;; ++i)
        if (!finite(rows[i], rows.width)) throw NotFinite(base, rows.first + i);
}

inline void write_row(const Key* keys, std::size_t found, std::size_t k, float* distances, std::int64_t* indices) {
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

// The canonical distances of one query.
struct Score {
    const Canonical& canonical;
    const Rows<float>& base;
    const float* query;
    double factor;
    float operator()(std::uint32_t index) const { return canonical.distance(query, factor, row(index)); }
    void fetch(std::uint32_t index) const {
        for (std::size_t k = 0; k < std::min<std::size_t>(base.width, 2048); k += 16) __builtin_prefetch(row(index) + k);
    }
    const float* row(std::uint32_t index) const { return base[index - base.first]; }
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
            write_row(keys.data(), sink.finish(0, s_.queries.first + i, known, keys.data()), k_, distances_ + i * k_,
                      indices_ + i * k_);
        }
    }

  private:
    template <class Screen>
    void run(const Task& task, Screen& screen, Workspace& work, Watch& watch) {
        const std::size_t n = task.query_end - task.query_begin;
        auto query = [&](std::size_t i) { return plan_.query()[task.query_begin + i]; };
        auto score = [&](std::size_t i) { return Score{canonical_, s_.base, s_.queries[query(i)], work.factors[i]}; };
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
                if (make_key(lower, static_cast<std::uint32_t>(b)) > work.sink.bound_key(i) || !filter_.allows(q, b)) return;
                if (work.sink.offer(i, q, lower, upper, static_cast<std::uint32_t>(b), score(i)))
                    screen.set_bound(i, work.sink.bound(i));
            });
            return watch.step(static_cast<std::uint64_t>(n) * (end - begin));
        });
        if (watch.stopped()) return;
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t row = query(i);
            Key* keys = parts_.empty() ? work.keys.data() : &parts_[(row * plan_.parts() + task.part) * k_];
            const std::size_t found = work.sink.finish(i, s_.queries.first + row, score(i), keys);
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

}  // namespace hardmine
