// A self-join that multiplies every pair of rows once and offers it to both.
//
// All rows keep their sinks in memory at the same time, which is why only joins of some hundred thousand rows come here. A
// task is a range of rows against all rows from its own start on: within the range each pair is met from both sides and
// offered to its query; beyond it each pair is met once and offered to either row. Several threads may offer to one row, so
// a row is locked for an offer, which is rare; its bound is read without the lock, since an older one only lets more through.
//
// Where the screen cannot separate the rows nearly every pair would be scored twice under a lock. The join then gives up: a
// plain scan does better (scores.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "panel_screen.hpp"
#include "parallel.hpp"
#include "scan.hpp"
#include "scores.hpp"
#include "sinks.hpp"

namespace hardmine {

class SelfJoin {
  public:
    static constexpr std::size_t kMostBytes = 96 << 20;  // of all sinks
    // Where it pays: an offer costs more here, a multiplication half. Measured in 2,100 rows: 0.85 times as fast as the plain
    // scan in 64 dimensions, 1.5 in 512; in 5,000 rows 1.1 in 128; in 50,000 rows 2 in 96.
    static constexpr std::size_t kLeastRows = 2048, kLeastNumbers = 1 << 19;
    static constexpr std::size_t kMostRange = 1024;  // rows of a task: packing is for all of them,
    static constexpr std::size_t kLeastRange = 192;  // but within it half of the work is double

    static constexpr std::size_t kRangeBytes = 2 << 20;  // of a task's packed rows
    static constexpr std::uint64_t kMostScored = 32;     // one in so many pairs: beyond it the join gives up

    // A window from below would let the rows below it through for either side, and caps need scratch of their own.
    static bool serves(const FloatSearch& s, std::size_t k, const Filter& filter) {
        const bool one_array = s.queries.data == s.base.data && s.queries.count == s.base.count &&
                               s.queries.stride == s.base.stride && s.queries.first == s.base.first;
        return filter.self && one_array && s.base.count >= kLeastRows && s.base.count * s.base.width >= kLeastNumbers &&
               filter.groups != Groups::same && !filter.base_mask && !filter.farther_than && !filter.max_per_group &&
               s.base.count * (TopK::bytes_per_row(k, s.base.count) + sizeof(double) + sizeof(std::atomic_flag)) <= kMostBytes;
    }

    SelfJoin(const FloatSearch& s, std::size_t k, const Filter& filter, const GroupCaps& caps, const Canonical& canonical,
             int threads)
        : s_(s),
          k_(k),
          filter_(filter),
          canonical_(canonical),
          n_(s.base.count),
          threads_(threads),
          range_(std::clamp(std::min(n_ / 12, kRangeBytes / (4 * s.base.width)), kLeastRange, kMostRange)),
          frame_(make_frame(s.metric, canonical, s.queries, s.base, all())),
          sink_(n_, k, n_, filter, caps),
          factors_(n_),
          locks_(n_) {
        for (std::size_t i = 0; i < n_; ++i) {
            factors_[i] = canonical.factor(s.base[i]);
            sink_.start(i, s.base.first + i);
        }
        for (int t = 0; t < threads; ++t) {
            screens_.emplace_back(new PanelScreen(s.kernels, frame_, canonical, range_));
            keys_.emplace_back(k);
        }
    }

    // False if it gave up; nothing has been written then.
    bool run(float* distances, std::int64_t* indices, const Watcher& watcher) {
        const std::size_t ranges = (n_ + range_ - 1) / range_;
        Watch watch(watcher, static_cast<std::uint64_t>(n_) * (n_ + range_) / 2);
        std::atomic<bool> bad_row{false};
        run_tasks(ranges, threads_, watch, [&](std::size_t r, int thread) {
            if (!scan(r * range_, std::min(n_, (r + 1) * range_), *screens_[static_cast<std::size_t>(thread)], watch))
                bad_row = true;
        });
        if (bad_row) report_not_finite(s_.base, true);
        if (gave_up_) return false;
        run_tasks(ranges, threads_, watch, [&](std::size_t r, int thread) {
            Key* keys = keys_[static_cast<std::size_t>(thread)].data();
            for (std::size_t i = r * range_; i < std::min(n_, (r + 1) * range_) && !watch.stopped(); ++i) {
                if (!sink_.settle(i, s_.base.first + i, score(i))) {
                    failed_proofs.fetch_add(1, std::memory_order_relaxed);
                    scan_exactly(sink_, i, s_.base.first + i, filter_, all(), 0, n_, s_.base.first, score(i));
                }
                write_row(keys, sink_.take(i, keys), k_, distances + i * k_, indices + i * k_);
            }
            watch.step(0);
        });
        if (watch.stopped()) throw Stopped();
        return true;
    }

  private:
    Selection all() const { return {nullptr, s_.base.count}; }

    Score score(std::size_t i) const { return {canonical_, s_.base, s_.base[i], factors_[i]}; }

    // The rows [begin, end) against themselves and all later ones. False if a row is not finite.
    bool scan(std::size_t begin, std::size_t end, PanelScreen& screen, Watch& watch) {
        bool good = true;
        screen.load_queries(s_.base, all(), begin, end);
        const std::size_t block = block_rows(screen.most_rows(), end - begin, s_.base.width, s_.block);
        auto load = [&](std::size_t first, std::size_t last) {
            for (std::size_t i = begin; i < end; ++i) screen.set_bound(i - begin, sink_.bound(i));
            good = good && screen.load_block(s_.base, all(), first, last);
            if (!good) watch.stop();
            return good;
        };
        visit_blocks(begin, end, block, TopK::kInOrder, [&](std::size_t first, std::size_t last) {
            if (!load(first, last)) return false;
            std::uint64_t scored = 0;
            screen.scan([&](std::size_t i, std::size_t j, float lower, float upper) {
                if (offer(begin + i, first + j, lower, upper, scored)) screen.set_bound(i, sink_.bound(begin + i));
            });
            return step((end - begin) * (last - first), scored, watch);
        });
        visit_blocks(end, n_, block, TopK::kInOrder, [&](std::size_t first, std::size_t last) {
            if (!load(first, last)) return false;
            for (std::size_t j = first; j < last; ++j) screen.set_column_bound(j - first, sink_.bound(j));
            std::uint64_t scored = 0;
            screen.scan_both([&](std::size_t i, std::size_t j, float lower, float upper) {
                if (offer(begin + i, first + j, lower, upper, scored)) screen.set_bound(i, sink_.bound(begin + i));
                if (offer(first + j, begin + i, lower, upper, scored)) screen.set_column_bound(j, sink_.bound(first + j));
            });
            return step((end - begin) * (last - first), scored, watch);
        });
        return good;
    }

    // After a block; false if the work is to end.
    bool step(std::uint64_t pairs, std::uint64_t scored, Watch& watch) {
        if ((scored_ += scored) * kMostScored > (pairs_ += pairs) + static_cast<std::uint64_t>(n_) * range_) {
            gave_up_ = true;
            watch.stop();
        }
        return watch.step(pairs);
    }

    // Offers base row `other` to `row`; returns whether the row's bound became tighter. Adds to `scored` what that cost.
    bool offer(std::size_t row, std::size_t other, float lower, float upper, std::uint64_t& scored) {
        const std::size_t first = s_.base.first;
        const auto index = static_cast<std::uint32_t>(first + other);
        if (!sink_.wants(row, lower, index) || !filter_.allows(first + row, index)) return false;
        while (locks_[row].test_and_set(std::memory_order_acquire)) std::this_thread::yield();
        const std::uint32_t before = sink_.scored(row);
        const bool tighter = sink_.offer(row, first + row, lower, upper, index, score(row));
        scored += sink_.scored(row) - before;
        locks_[row].clear(std::memory_order_release);
        return tighter;
    }

    const FloatSearch& s_;
    std::size_t k_;
    const Filter& filter_;
    const Canonical& canonical_;
    std::size_t n_;
    int threads_;
    std::size_t range_;
    Frame frame_;
    TopK sink_;
    std::vector<double> factors_;
    std::vector<std::atomic_flag> locks_;
    std::vector<std::unique_ptr<PanelScreen>> screens_;
    std::vector<std::vector<Key>> keys_;
    std::atomic<std::uint64_t> pairs_{0}, scored_{0};
    std::atomic<bool> gave_up_{false};
};

}  // namespace hardmine
