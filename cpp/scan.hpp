// One task of a scan: Screen x Filter x Sink.
//
// The thread loads a range of queries into a screen once, then goes through a range of base rows block by block: load
// the block, let the screen name the pairs that its intervals cannot rule out, ask the filter, offer the pair to the sink, and
// hand the sink's tighter bound back to the screen. At the end the sink scores what is left by the canonical distance.
// Blocks are visited in strides of the golden ratio, so that rows sorted by distance do not make every block better than
// all before it; no order changes the result. A sink that counts on the order of indices says so, and gets it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "engine.hpp"
#include "parallel.hpp"
#include "plan.hpp"
#include "sinks.hpp"

namespace hardmine {

// Calls visit(begin, end) for the blocks of [begin, end), each once: one after the other, or in strides of about 0.618 of
// their number.
template <class Visit>
void visit_blocks(std::size_t begin, std::size_t end, std::size_t block, bool in_order, Visit&& visit) {
    const std::size_t blocks = (end - begin + block - 1) / block;
    std::size_t stride =
        in_order ? 1 : std::max<std::size_t>(1, static_cast<std::size_t>(0.618 * static_cast<double>(blocks)));
    while (std::gcd(stride, blocks) > 1) ++stride;
    for (std::size_t i = 0, b = 0; i < blocks; ++i, b = (b + stride) % blocks)
        if (!visit(begin + b * block, std::min(end, begin + (b + 1) * block))) return;
}

// The base rows of a block for n queries: as many as the screen takes, but no more than a thread goes through in a small part
// of a second even if every pair has to be scored, because Ctrl-C waits for the end of a block.
inline std::size_t block_rows(std::size_t most_rows, std::size_t n, std::size_t width, std::size_t wanted) {
    constexpr std::size_t kPairs = 1 << 23, kNumbers = 1 << 29;  // of the rows, multiplied
    constexpr std::size_t kWhole = 128;                          // no panel has more lanes
    const std::size_t fair = std::min(kPairs / n, kNumbers / (n * width)) / kWhole * kWhole;
    return std::min({most_rows, std::max(kWhole, fair), wanted ? wanted : most_rows});
}

inline float no_distance(float) { return kInfinity; }
inline std::int32_t no_distance(std::int32_t) { return std::numeric_limits<std::int32_t>::max(); }

template <class Distance>
void write_row(const Key* keys, std::size_t found, std::size_t k, Distance* distances, std::int64_t* indices) {
    for (std::size_t i = 0; i < k; ++i) {
        distances[i] = i < found ? static_cast<Distance>(distance_of(keys[i])) : no_distance(Distance{});
        indices[i] = i < found ? static_cast<std::int64_t>(index_of(keys[i])) : -1;
    }
}

// The score of pairs whose distance is known already: never asked.
struct Known {
    static constexpr bool kAsked = false;
    void load(std::size_t, std::size_t) {}
    const Known& operator[](std::size_t) const { return *this; }
    float operator()(std::uint32_t) const { return kInfinity; }
    void fetch(std::uint32_t) const {}
};

template <class Row, class Distance>
class Scan {
  public:
    Scan(const Search<Row>& s, std::size_t k, const Filter& filter, const GroupCaps& caps, const Plan& plan,
         Distance* distances, std::int64_t* indices, std::int64_t* too_near = nullptr)
        : s_(s),
          k_(k),
          filter_(filter),
          caps_(caps),
          plan_(plan),
          distances_(distances),
          indices_(indices),
          too_near_(too_near) {
        if (plan.parts() > 1) parts_.assign(s.queries.count * plan.parts() * k, kNoKey);
    }

    bool met_bad_row() const { return met_bad_row_; }

    // scores[i](index) is the canonical distance of the task's query i. `keys` has room for k.
    template <class Screen, class Sink, class Scores>
    void run(const Task& task, Screen& screen, Sink& sink, Scores& scores, Key* keys, Watch& watch) {
        using Value = typename Sink::Value;
        constexpr bool kHasFloor = requires { screen.set_floor(0, 0.0f); };
        const std::size_t n = task.query_end - task.query_begin;
        auto query = [&](std::size_t i) { return plan_.query()[task.query_begin + i]; };
        screen.load_queries(s_.queries, plan_.query(), task.query_begin, task.query_end);
        for (std::size_t i = 0; i < n; ++i) {
            scores.load(i, query(i));
            sink.start(i, s_.queries.first + query(i));
            screen.set_bound(i, sink.bound(i));
        }
        const std::size_t block = block_rows(screen.most_rows(), n, s_.base.width, s_.block);
        visit_blocks(task.base_begin, task.base_end, block, Sink::kInOrder, [&](std::size_t begin, std::size_t end) {
            if (!screen.load_block(s_.base, plan_.base(), begin, end)) {
                met_bad_row_ = true;
                watch.stop();
                return false;
            }
            const auto skip_counted = [&](std::size_t i) {
                if constexpr (kHasFloor)
                    if (filter_.farther_than && (!too_near_ || sink.too_near(i) >= kMostCounted))
                        screen.set_floor(i, filter_.farther_than[s_.queries.first + query(i)]);
            };
            if (filter_.farther_than)
                for (std::size_t i = 0; i < n; ++i) skip_counted(i);
            screen.scan([&](std::size_t i, std::size_t j, auto least, auto most) {
                if constexpr (Scores::kAsked)
                    if (scores.whole(i)) return;
                const auto lower = static_cast<Value>(least), upper = static_cast<Value>(most);
                const std::size_t q = s_.queries.first + query(i), b = s_.base.first + plan_.base()[begin + j];
                const auto index = static_cast<std::uint32_t>(b);
                if (!sink.wants(i, lower, index) || !filter_.allows(q, b)) return;
                if (sink.offer(i, q, lower, upper, index, scores[i]))
                    screen.set_bound(i, sink.bound(i));
                else if (too_near_)
                    skip_counted(i);
                if constexpr (Scores::kAsked)
                    if (scores.go_whole(i, sink.scored(i), j + 1, end - begin)) screen.ignore(i);
            });
            if constexpr (Scores::kAsked) score_block(task, begin, end, screen, sink, scores);
            return watch.step(static_cast<std::uint64_t>(n) * (end - begin));
        });
        if (watch.stopped()) return;
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t row = query(i), q = s_.queries.first + row;
            Key* to = parts_.empty() ? keys : &parts_[(row * plan_.parts() + task.part) * k_];
            if constexpr (kHasFloor)
                if (too_near_) std::atomic_ref(too_near_[row]).fetch_add(sink.too_near(i), std::memory_order_relaxed);
            if (!sink.settle(i, q, scores[i])) {
                failed_proofs.fetch_add(1, std::memory_order_relaxed);
                scan_exactly(sink, i, q, filter_, plan_.base(), task.base_begin, task.base_end, s_.base.first, scores[i]);
            }
            const std::size_t found = sink.take(i, to);
            if (parts_.empty()) write_row(to, found, k_, distances_ + row * k_, indices_ + row * k_);
        }
    }

    // Where the base was cut: the parts of each query become one.
    void merge() {
        if (parts_.empty()) return;
        filter_.max_per_group ? merge_capped() : merge_sorted();
    }

  private:
    // The queries that are scored by whole blocks.
    template <class Screen, class Sink, class Scores>
    void score_block(const Task& task, std::size_t begin, std::size_t end, Screen& screen, Sink& sink, Scores& scores) {
        const std::size_t rows = end - begin;
        bool loaded = false;
        for (std::size_t i = 0; i < task.query_end - task.query_begin; ++i) {
            if (scores.whole(i)) {
                if (!loaded) scores.load_block(plan_.base(), begin, end);
                loaded = true;
                const std::size_t query = s_.queries.first + plan_.query()[task.query_begin + i];
                const float* distances = scores.block(i);
                const float reach = screen.reach(i, sink.bound(i));
                std::size_t near = 0;
                for (std::size_t j = scores.from(i); j < rows; ++j) near += distances[j] <= reach;
                Key bound = sink.bound_key(i);
                for (std::size_t j = scores.from(i); j < rows; ++j) {
                    if (distances[j] > distance_of(bound)) continue;
                    const std::size_t b = s_.base.first + plan_.base()[begin + j];
                    const auto index = static_cast<std::uint32_t>(b);
                    if (make_key(distances[j], index) > bound || !filter_.allows(query, b)) continue;
                    sink.offer(i, query, distances[j], distances[j], index, scores[i]);
                    bound = sink.bound_key(i);
                }
                scores.finish_whole(i, near, rows - scores.from(i));
                if (!scores.whole(i)) screen.set_bound(i, sink.bound(i));
            }
            scores.finish_block(i, sink.scored(i));
        }
    }

    void merge_sorted() {
        std::vector<Key> best(k_), next(k_);
        for (std::size_t i = 0; i < s_.queries.count; ++i) {
            const Key* part = &parts_[i * plan_.parts() * k_];
            std::copy_n(part, k_, best.begin());
            for (std::size_t p = 1; p < plan_.parts(); ++p) {
                const Key *a = best.data(), *b = part + p * k_;
                for (Key& key : next) key = *a < *b ? *a++ : *b++;
                best.swap(next);
            }
            const auto found = static_cast<std::size_t>(std::lower_bound(best.begin(), best.end(), kNoKey) - best.begin());
            write_row(best.data(), found, k_, distances_ + i * k_, indices_ + i * k_);
        }
    }

    // The caps hold for all parts together: their pairs are offered to a sink once more, as what they are: exact.
    void merge_capped() {
        TopK sink(1, k_, plan_.parts() * k_, filter_, caps_);
        std::vector<Key> keys(k_);
        const Known known;
        for (std::size_t i = 0; i < s_.queries.count; ++i) {
            sink.start(0, s_.queries.first + i);
            for (std::size_t p = 0; p < plan_.parts() * k_; ++p) {
                const Key key = parts_[i * plan_.parts() * k_ + p];
                if (key != kNoKey)
                    sink.offer(0, s_.queries.first + i, distance_of(key), distance_of(key), index_of(key), known);
            }
            sink.settle(0, s_.queries.first + i, known);
            write_row(keys.data(), sink.take(0, keys.data()), k_, distances_ + i * k_, indices_ + i * k_);
        }
    }

    const Search<Row>& s_;
    std::size_t k_;
    const Filter& filter_;
    const GroupCaps& caps_;
    const Plan& plan_;
    Distance* distances_;
    std::int64_t* indices_;
    std::int64_t* too_near_;  // null: not counted
    std::vector<Key> parts_;
    std::atomic<bool> met_bad_row_{false};
};

}  // namespace hardmine
