// The neighbours of all rows of one array: every pair of rows is multiplied once and offered to both.
//
// The rows are cut into slabs whose sinks fit in memory, two at a time. A slab meets itself, range of rows by range (within a
// range each pair is met from both sides, beyond it once), then all later slabs. Between visits a row's state is its answer so
// far, which is exact: it is kept in the caller's output and loaded back into a sink as what it is. A join of up to some
// hundred thousand rows is one slab. Whoever has stored the output between two visits can go on from there.
//
// Where the screen cannot separate the rows, or a window refuses many, nearly every pair would cost twice. The join then gives
// up: a plain scan does better (scores.hpp, and floors of the screen).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "scan/families.hpp"
#include "scan/guess.hpp"
#include "scan/team.hpp"
#include "scan/visit.hpp"
#include "sinks/lists.hpp"
#include "sinks/shared.hpp"
#include "sinks/top_k.hpp"

namespace hardmine {

class SelfJoin {
  public:
    static constexpr std::size_t kMostBytes = 96 << 20;  // of all sinks
    // Where it pays: an offer costs more here, a multiplication half. Measured in 2,100 rows: 0.85 times as fast as the plain
    // scan in 64 dimensions, 1.5 in 512; in 5,000 rows 1.1 in 128; in 50,000 rows 2 in 96.
    static constexpr std::size_t kLeastRows = 2048, kLeastNumbers = 1 << 19;
    static constexpr std::size_t kRangeBytes = 2 << 20;  // of a task's packed rows
    static constexpr std::uint64_t kMostScored = 32;     // one in so many pairs: beyond it the join gives up
    // Numbers of a slab for each neighbour kept: with fewer, loading and settling a row costs more than it saves.
    static constexpr std::size_t kNumbersPerNeighbor = 1 << 14;

    static std::size_t bytes_per_row(std::size_t k, std::size_t n) {
        return TopK::bytes_per_row(k, n) + sizeof(double) + Shared<TopK>::bytes_per_row();
    }
    // Rows of a slab, of an array of n.
    static std::size_t slab_rows(std::size_t k, std::size_t n) {
        const std::size_t all = kMostBytes / bytes_per_row(k, n);
        if (n <= all) return n;
        const std::size_t slabs = (n + all / 2 - 1) / std::max<std::size_t>(1, all / 2);
        return (n + slabs - 1) / slabs;
    }

    // Whether a search is one of an array against itself, worth it, and within its memory. The rows are those that a mask
    // leaves.
    static bool serves(const Floats& family, std::size_t k, const Filter& filter, std::size_t rows) {
        const FloatSearch& s = family.search;
        if (!filter.self || !s.one_array() || filter.groups == Groups::same) return false;
        if (rows < kLeastRows || rows * s.base.width < kLeastNumbers) return false;
        const std::size_t screens = family.screen_bytes(kLeastRange) + family.coarse_bytes(kLeastRange);
        const std::size_t guess =
            FirstBound::serves(k, filter)
                ? kLeastRange * FirstBound::bytes_per_row(TopK::bytes_per_row(FirstBound::rank(k), rows)) +
                      FirstBound::bytes(rows)
                : 0;
        if (!in_share(family.threads, screens + guess)) return false;
        const std::size_t slab = slab_rows(k, rows);
        return slab == rows || slab * s.base.width >= k * kNumbersPerNeighbor;
    }

    SelfJoin(Floats& family, const Selection& rows, std::size_t k, JoinStep& step, const Judge& judge, const GroupCaps& caps,
             const Lists<float>& out, std::int64_t* too_near, const Watcher& watcher)
        : family_(family),
          s_(family.search),
          rows_(rows),
          judge_(judge),
          out_(out),
          too_near_(too_near),
          counts_(too_near ? rows.count : 0),
          step_(step),
          slab_rows_(step.slab ? std::min(step.slab, rows.count) : slab_rows(k, rows.count)),
          guesses_(FirstBound::serves(k, judge.filter()) && FirstBound::serves({{nullptr, 0, kLeastRange}, rows}, k)),
          range_(std::max(kLeastRange, std::min(range_rows(rows.count), kRangeBytes / (4 * s_.base.width)))),
          near_(slab_rows_, k, *this, caps),
          far_(slab_rows_ < rows.count ? slab_rows_ : 0, k, *this, caps),
          team_(s_.base, ~std::size_t{0}, family.threads, static_cast<std::uint64_t>(rows.count) * (rows.count + range_) / 2,
                watcher, [&] {
                    auto work = new Work(family, range_, k);
                    if (guesses_) {
                        const std::size_t rank = FirstBound::rank(k);
                        work->guess.emplace(range_, rows.count, TopK(range_, rank, rows.count, judge, caps));
                    }
                    return work;
                }) {}

    // Does the step, and moves its place. False if it gave up: the place is what it was, the output of rows from there on says
    // nothing, and nothing has been counted.
    bool run() {
        JoinPlace at = step_.at;
        std::uint64_t pairs = 0;  // done in this step
        try {
            while (at.near < rows_.count && pairs < step_.most_pairs) {
                const std::size_t begin = at.near;
                std::size_t later = at.far;
                open(near_, begin, later > 0);
                if (later == begin) {
                    visit(near_, near_);
                    later += near_.count;
                    pairs += static_cast<std::uint64_t>(near_.count) * near_.count / 2;
                }
                for (; later < rows_.count && pairs < step_.most_pairs; later += far_.count) {
                    open(far_, later, begin > 0);
                    visit(near_, far_);
                    close(far_, begin + near_.count);
                    pairs += static_cast<std::uint64_t>(near_.count) * far_.count;
                }
                close(near_, later);
                at = later < rows_.count ? JoinPlace{begin, later} : JoinPlace{begin + near_.count, begin + near_.count};
            }
        } catch (const Stopped&) {
            if (gave_up_) return false;
            throw;
        }
        step_.at = at;
        step_.pairs = pairs;
        for (std::size_t i = 0; i < counts_.size(); ++i) too_near_[rows_[i]] += counts_[i];
        return true;
    }

  private:
    struct Slab {
        Slab(std::size_t most, std::size_t k, const SelfJoin& join, const GroupCaps& caps)
            : sink(most, join.judge_.filter().max_per_group != 0, k, join.rows_.count, join.judge_, caps,
                   join.too_near_ != nullptr),
              factors(most) {}
        std::size_t begin = 0, count = 0;  // positions in rows_
        Shared<TopK> sink;
        std::vector<double> factors;
    };

    // The scores of a slab's rows, for one task at a time, and what its pairs cost beside their multiplication.
    class SlabScores {
      public:
        static constexpr bool kByBlocks = false;
        // Row 0 is `first` of the slab.
        SlabScores(SelfJoin& join, const Slab& slab, std::uint32_t& cost, std::size_t first = 0)
            : join_(join), slab_(slab), cost_(cost), first_(first) {}

        void load(std::size_t, std::size_t) {}
        Score operator[](std::size_t i) {
            const std::size_t row = first_ + i;
            const float* query = join_.s_.base[join_.rows_[slab_.begin + row]];
            return {join_.family_.canonical, join_.s_.base, query, slab_.factors[row], cost_};
        }
        void pass_over() { ++cost_; }
        // After a block; false if the work is to end.
        bool pay(std::uint64_t pairs) {
            const std::uint64_t fair = static_cast<std::uint64_t>(join_.rows_.count) * join_.range_;
            if ((join_.cost_ += cost_) * kMostScored > (join_.pairs_ += pairs) + fair) join_.gave_up_ = true;
            cost_ = 0;
            return !join_.gave_up_;
        }

      private:
        SelfJoin& join_;
        const Slab& slab_;
        std::uint32_t& cost_;
        std::size_t first_;
    };

    using FirstBound = Guess<Floats, TopK>;

    struct Work {
        Work(const Floats& family, std::size_t range, std::size_t k)
            : screen(family.many_screen(range)), coarse(family.coarse_screens(range)), keys(k) {}
        PanelScreen screen;
        CoarseScreens coarse;
        std::vector<Key> keys;
        std::uint32_t cost = 0;
        std::optional<FirstBound> guess;
    };

    std::size_t index(const Slab& slab, std::size_t row) const { return s_.base.first + rows_[slab.begin + row]; }

    using Span = std::pair<std::size_t, std::size_t>;  // positions in a slab
    Selection part(const Slab& slab, const Span& span) const {
        return rows_.part(slab.begin + span.first, slab.begin + span.second);
    }

    // body(range, workspace, watch) for ranges of a slab.
    template <class Body>
    void for_ranges(const Slab& slab, Body&& body) {
        team_.run((slab.count + range_ - 1) / range_, [&](std::size_t r, Work& work, Watch& watch) {
            return body(Span{r * range_, std::min(slab.count, (r + 1) * range_)}, work, watch);
        });
    }

    // Starts the sinks of the slab at `begin`. If it has met another before, what it found then is offered anew; if not, its rows
    // begin with a guess.
    void open(Slab& slab, std::size_t begin, bool stored) {
        slab.begin = begin;
        slab.count = std::min(slab_rows_, rows_.count - begin);
        for_ranges(slab, [&](const Span& range, Work& work, Watch& watch) {
            const Task task{part(slab, range), rows_};
            for (std::size_t row = range.first; row < range.second; ++row)
                slab.factors[row] = family_.canonical.factor(s_.base[rows_[begin + row]]);
            if (guesses_ && !stored) {
                SlabScores scores(*this, slab, work.cost, range.first);
                const Loop<float> loop(s_, judge_, watch);
                const bool good = family_.uses_coarse() ? work.guess->find(loop, task, scores, work.coarse, work.screen)
                                                        : work.guess->find(loop, task, scores, work.screen);
                if (gave_up_) watch.stop();
                if (!good) return false;
            }
            for (std::size_t row = range.first; row < range.second && watch.step(0); ++row) {
                const Locked locked(slab.sink.lock(row));
                start(slab, row, stored);
                if (guesses_ && !stored) slab.sink.alone().limit(row, work.guess->limit(row - range.first));
            }
            return true;
        });
    }

    void start(Slab& slab, std::size_t row, bool stored) {
        const std::size_t query = index(slab, row);
        TopK& sink = slab.sink.alone();
        sink.start(row, query);
        if (!stored) return;
        const Lists<float> found = out_.from(rows_[slab.begin + row]);
        std::size_t i = 0;
        for (; i < found.k && found.indices[i] >= 0; ++i) {
            const auto other = static_cast<std::uint32_t>(found.indices[i]);
            if (sink.wants(row, other, found.distances[i]))
                sink.offer(row, query, other, found.distances[i], found.distances[i], Known());
        }
        if (i < found.k) sink.limit(row, found.distances[found.k - 1]);
    }

    // Ranges of one slab against all of a later one or, if it is the same, each against itself, then against what is left.
    //
    // The order is that of neighbours first. Were ranges to come one after the other, a row of an array in order (of time, of
    // class, of a sum) would meet nearer and nearer rows, and nearly every pair would be kept for a while: 14 times the time
    // of the same rows shuffled, in 20,000 rows of 64 dimensions; now 1.3. Of another slab nothing is known, hence the golden
    // ratio; of the same, the longest tasks come first, so that threads end together.
    void visit(Slab& rows, Slab& cols) {
        static_assert(ScreensBothSides<PanelScreen> && ScreensBothSides<CoarseScreens>);
        std::vector<std::size_t> begins;
        visit_blocks(rows.count, range_, &rows == &cols, [&](std::size_t begin, std::size_t) {
            begins.push_back(begin);
            return true;
        });
        // Each of so many ranges against those rows of `cols` that others(range) names.
        const auto meet = [&](std::size_t ranges, bool both, auto&& others) {
            team_.run(ranges, [&](std::size_t r, Work& work, Watch& watch) {
                const Span range{begins[r], std::min(rows.count, begins[r] + range_)}, other = others(range);
                const Task task{part(rows, range), part(cols, other), both};
                SlabScores row_scores(*this, rows, work.cost), col_scores(*this, cols, work.cost);
                const Receiver to{rows.sink, row_scores, range.first}, also{cols.sink, col_scores, other.first};
                const Loop<float> loop(s_, judge_, watch);
                const bool good = family_.uses_coarse() ? loop.visit(task, to, also, work.coarse, work.screen)
                                                        : loop.visit(task, to, also, work.screen);
                if (gave_up_) watch.stop();
                return good;
            });
        };
        if (&rows != &cols) return meet(begins.size(), true, [&](const Span&) { return Span(0, cols.count); });
        meet(begins.size(), false, [](const Span& range) { return range; });
        meet(begins.size() - 1, true, [&](const Span& range) { return Span(range.second, rows.count); });
    }

    // Stores what the rows have found among the rows before `met`. Of a row that has not found k of them within its guess the
    // guess is stored, too, in the last place, which is free.
    void close(Slab& slab, std::size_t met) {
        for_ranges(slab, [&](const Span& range, Work& work, Watch& watch) {
            for (std::size_t row = range.first; row < range.second && watch.step(0); ++row) {
                const std::size_t at = rows_[slab.begin + row], query = index(slab, row);
                std::uint32_t cost = 0;  // of what every row has to pay once, which says nothing of the join
                SlabScores scores(*this, slab, cost);
                const Locked locked(slab.sink.lock(row));
                TopK& sink = slab.sink.alone();
                if (too_near_) counts_[slab.begin + row] += sink.too_near(row);
                const bool proven = sink.settle(row, query, scores[row]), last = met == rows_.count;
                if (!proven) failed_proofs.fetch_add(1, std::memory_order_relaxed);
                if (!proven || (last && sink.fell_short(row))) {
                    Watch unwatched(kNobody, 0);
                    Loop<float>(s_, judge_, unwatched)
                        .rescan(Receiver<TopK, SlabScores>{sink, scores, row}, 0, query, rows_.part(0, met));
                }
                const float limit = sink.bound(row);
                const bool guessed = sink.fell_short(row);
                out_.write(at, work.keys.data(), sink.take(row, work.keys.data()));
                if (guessed) out_.from(at).distances[out_.k - 1] = limit;
            }
            return true;
        });
    }

    Floats& family_;
    const FloatSearch& s_;
    Selection rows_;
    const Judge& judge_;
    const Lists<float>& out_;
    std::int64_t* too_near_;
    std::vector<std::uint32_t> counts_;  // of rows too near, until the join is sure not to give up
    JoinStep& step_;
    std::size_t slab_rows_;
    bool guesses_;
    std::size_t range_;
    Slab near_, far_;
    Team<float, Work> team_;
    std::atomic<std::uint64_t> pairs_{0}, cost_{0};
    std::atomic<bool> gave_up_{false};
};

}  // namespace hardmine
