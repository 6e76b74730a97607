// The loop of every scan, whatever its screen, filter and sink are, and the only place where they meet. (A matrix, of which
// every pair is an answer, has one of its own: matrix.cpp.)
//
// A task is some rows (as queries) against some base rows. The queries are loaded into the screen once; then, block by block,
// the base rows are loaded, the screen names the pairs that its intervals cannot rule out, the filter is asked, the pair is
// offered to the sink, and the sink's tighter bound is handed back to the screen.
//
// A pair is offered to its query. A task of both sides (`both`: self_join.hpp) offers it to its base row as well, so that it
// is multiplied once. A sink that is not of rows needs no second offer: its tasks are of one side, those of a triangle, too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "scan/blocks.hpp"
#include "scan/choice.hpp"
#include "scan/parallel.hpp"
#include "scan/plan.hpp"
#include "scan/receiver.hpp"
#include "screens/screen.hpp"
#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/search.hpp"

namespace hardmine {

template <class Row>
class Loop {
  public:
    Loop(const Search<Row>& search, const Judge& judge, Watch& watch) : s_(search), judge_(judge), watch_(watch) {}

    // The number of query i of a task in the caller's array.
    std::size_t query(const Task& task, std::size_t i) const { return s_.queries.first + task.rows[i]; }

    // Before a visit: the sinks of a task's rows, and what scores their pairs.
    template <Sink S, class Scores>
    void start(const Task& task, S& sink, Scores& scores) const {
        for (std::size_t i = 0; i < task.rows.count; ++i) {
            scores.load(i, task.rows[i]);
            sink.start(i, query(task, i));
        }
    }

    // Goes through a task, whose rows are those of `rows` and whose base rows those of `cols` (which only a task of both sides
    // has). Ends early if the watcher stops it. Returns false if a base row is not finite.
    template <Screen<Row> AnyScreen, Sink S, class Scores>
    bool visit(const Task& task, Receiver<S, Scores> rows, Receiver<S, Scores> cols, AnyScreen& screen) const {
        bool good = true;
        CountedPairs<AnyScreen> pairs;
        screen.load_queries(s_.queries, task.rows);
        tell_bounds(screen, rows, task.rows.count);
        visit_blocks(task.base.count, block(task, screen), S::kInOrder, [&](std::size_t begin, std::size_t end) {
            good = load(screen, task.base.part(begin, end));
            if (!good) return false;
            if constexpr (S::kShared || S::kOneBound) tell_bounds(screen, rows, task.rows.count);
            scan(Part{task, task.base.part(begin, end), begin, 0}, screen, rows, cols);
            pairs.done += task.rows.count * (end - begin);
            return paid(task, end - begin, rows);
        });
        return good;
    }
    // The same with a coarse screen, where and as far as it pays: it is tried when few of the last pairs had to be looked at.
    // Where no bounds are known the fine screen first goes through the heads of some blocks, all over the base: rows that lie
    // side by side may be of one kind, and far from what most queries look for.
    template <CoarseScreen<Row> Coarse, Screen<Row> Fine, Sink S, class Scores>
    bool visit(const Task& task, Receiver<S, Scores> rows, Receiver<S, Scores> cols, Coarse& coarse, Fine& fine) const {
        const std::size_t n = task.rows.count, count = task.base.count;
        constexpr bool others_tighten = S::kShared || S::kOneBound;
        CountedPairs<Fine> by_fine;
        bool good = true, more = true, coarse_loaded = false, fine_loaded = false;
        bool told = false;  // whether the coarse screen knows all bounds
        double share = 0;   // of pairs that were reported last; all of a query that knows no bound
        for (std::size_t i = 0; i < n; ++i) share += (rows.sink.bound(rows.at + i) == kInfinity) / static_cast<double>(n);

        // Queries from `from` on.
        const auto visit_fine = [&](std::size_t begin, std::size_t end, std::size_t from) {
            if (!fine_loaded) fine.load_queries(s_.queries, task.rows);
            tell_bounds(fine, rows, n);
            fine_loaded = true;
            told = false;
            std::size_t met = 0;
            visit_blocks(end - begin, block(task, fine), S::kInOrder, [&](std::size_t first, std::size_t last) {
                const Selection base = task.base.part(begin + first, begin + last);
                good = load(fine, base);
                if (!good) return false;
                if constexpr (others_tighten) tell_bounds(fine, rows, n);
                met += scan(Part{task, base, begin + first, from}, fine, rows, cols).met;
                more = paid(task, last - first, rows);
                return more;
            });
            const std::size_t pairs = (n - from) * (end - begin);
            by_fine.done += pairs;
            share = static_cast<double>(met) / static_cast<double>(pairs);
        };
        // Returns the query from which on too many pairs would have to be looked at.
        const auto visit_coarse = [&](std::size_t begin, std::size_t end) -> std::size_t {
            if (!coarse_loaded) coarse.load_queries(s_.queries, task.rows);
            if (!told || others_tighten) tell_bounds(coarse, rows, n);
            coarse_loaded = told = true;
            const Selection base = task.base.part(begin, end);
            good = load(coarse, base);
            if (!good) return 0;
            const std::size_t from = scan(Part{task, base, begin, 0}, coarse, rows, cols).end;
            coarse.in_use([&]<class C>(C&) { screened_pairs<C>.fetch_add(from * (end - begin), std::memory_order_relaxed); });
            if (coarse.found_prepared()) pairs_prepared.fetch_add(from * (end - begin), std::memory_order_relaxed);
            pairs_looked_at.fetch_add(coarse.looked_at(), std::memory_order_relaxed);
            if (from == n) more = paid(task, end - begin, rows);
            return from;
        };

        const std::size_t length = block(task, coarse), head = std::max(kMostLanes, length / kHeads / kMostLanes * kMostLanes);
        const bool heads = !S::kInOrder && !coarse.pays(share) && count >= 2 * kHeads * length && head < length;
        if (heads)
            visit_blocks(count, length, false, [&, visited = std::size_t{0}](std::size_t begin, std::size_t end) mutable {
                visit_fine(begin, std::min(begin + head, end), 0);
                return good && more && ++visited < kHeads;
            });
        if (!good || !more) return good;
        coarse.start();
        visit_blocks(count, length, S::kInOrder, [&, visited = std::size_t{0}](std::size_t begin, std::size_t end) mutable {
            if (heads && visited++ < kHeads) begin = std::min(begin + head, end);
            const std::size_t from = begin == end ? n : coarse.tries(share) ? visit_coarse(begin, end) : 0;
            if (good && from < n) visit_fine(begin, end, from);
            return good && more;
        });
        return good;
    }
    template <Sink S, class Scores, class... Screens>
    bool visit(const Task& task, S& sink, Scores& scores, Screens&... screens) const {
        return visit(task, Receiver<S, Scores>{sink, scores}, Receiver<S, Scores>{sink, scores}, screens...);
    }

    // Offers row i of `rows`, started anew, all pairs with these base rows by canonical distances: where a proof has failed.
    template <SinkOfRows S, class Scores>
    void rescan(Receiver<S, Scores> rows, std::size_t i, std::size_t query, const Selection& base) const {
        auto&& score = rows.scores[rows.at + i];
        rows.sink.start(rows.at + i, query);
        for (std::size_t j = 0; j < base.count; ++j) {
            const std::size_t b = s_.base.first + base[j];
            const float distance = score(static_cast<std::uint32_t>(b));
            offer(rows, i, query, b, distance, distance);
        }
        rows.sink.settle(rows.at + i, query, score);
    }

  private:
    static constexpr std::size_t kHeads = 8;  // of blocks, as much as a block in all

    enum class Told { nothing, bound, floor };  // what a screen is to hear of a sink after an offer

    // A block of base rows, from row `at` of the task's on, and its queries from `from` on.
    struct Part {
        const Task& task;
        Selection base;
        std::size_t at, from;
    };

    template <class AnyScreen>
    std::size_t block(const Task& task, const AnyScreen& screen) const {
        return block_rows(screen.most_rows(), task.rows.count, s_.base.width, s_.block);
    }
    template <class AnyScreen>
    bool load(AnyScreen& screen, const Selection& base) const {
        const bool good = screen.load_block(s_.base, base);
        if (!good) watch_.stop();
        return good;
    }
    // After a block; false if the work is to end.
    template <class Side>
    bool paid(const Task& task, std::size_t count, const Side& rows) const {
        return rows.scores.pay(static_cast<std::uint64_t>(task.rows.count) * count) && watch_.step(task.rows.count * count);
    }

    template <class AnyScreen, class S, class Scores>
    void tell_bounds(AnyScreen& screen, const Receiver<S, Scores>& rows, std::size_t n) const {
        for (std::size_t i = 0; i < n; ++i) {
            if constexpr (Scores::kByBlocks)
                if (rows.scores.whole(rows.at + i)) {
                    screen.ignore(i);
                    continue;
                }
            screen.set_bound(i, rows.sink.bound(rows.at + i));
        }
    }

    // The one place where a pair is judged; terms/filter.hpp has the reasons of the order. Inlined, and allows() with it, by
    // order: gcc 12 stops doing so by itself when it is called from several loops, and where all pairs are refused a scan
    // then takes half as long again (12.9 times an ordinary one against 8.7: tests/core/test_costs.py).
    template <class S, class Scores>
    [[gnu::always_inline]] Told offer(const Receiver<S, Scores>& to, std::size_t i, std::size_t query, std::size_t base,
                                      float lower, float upper) const {
        const std::size_t row = to.at + i;
        const auto index = static_cast<std::uint32_t>(base);
        if (!to.sink.wants(row, index, lower)) return Told::nothing;
        auto&& score = to.scores[row];
        if (!judge_.open()) {
            if (!judge_.allows(query, base)) return Told::nothing;
            if (judge_.has_window()) {
                const auto exact = [&] {
                    const float distance = score(index);
                    if (!(lower <= distance && distance <= upper)) to.sink.distrust(row);
                    return distance;
                };
                const Side side = judge_.side(query, base, lower, upper, exact);
                if (side == Side::nearer) return pass_over(to, row, query, base);
                if (side == Side::farther) return Told::nothing;
            }
            if (!S::kSifts && judge_.excludes(query, base)) return Told::nothing;
        }
        return to.sink.offer(row, query, index, lower, upper, score) ? Told::bound : Told::nothing;
    }

    // A pair before the window.
    template <class S, class Scores>
    Told pass_over(const Receiver<S, Scores>& to, std::size_t row, std::size_t query, std::size_t base) const {
        to.scores.pass_over();
        if (!to.sink.hears(row)) return Told::nothing;
        if (!judge_.excludes(query, base)) to.sink.pass_over(row);
        return to.sink.hears(row) ? Told::nothing : Told::floor;
    }

    // After an offer to row i.
    template <class AnyScreen, class Side>
    void tell(Told told, const Task& task, AnyScreen& screen, const Side& rows, std::size_t i) const {
        if (told == Told::bound) {
            if constexpr (std::remove_reference_t<decltype(rows.sink)>::kOneBound)
                tell_bounds(screen, rows, task.rows.count);
            else
                screen.set_bound(i, rows.sink.bound(rows.at + i));
        }
        if constexpr (AnyScreen::kHasFloor)
            if (told == Told::floor) screen.set_floor(i, judge_.floor(query(task, i)));
    }

    std::size_t index(const Part& part, std::size_t j) const { return s_.base.first + part.base[j]; }

    // Whether a coarse screen is to look at a pair again.
    template <class S, class Scores>
    bool wanted(const Receiver<S, Scores>& to, std::size_t i, std::size_t query, std::size_t base, float lower) const {
        return to.sink.wants(to.at + i, static_cast<std::uint32_t>(base), lower) &&
               (judge_.open() || judge_.allows(query, base));
    }

    struct Outcome {
        std::size_t end;  // the first query that a coarse screen leaves
        std::size_t met;  // pairs reported, or scored as a part of a whole block
    };

    // Goes through a block.
    template <class AnyScreen, class S, class Scores>
    Outcome scan(const Part& part, AnyScreen& screen, const Receiver<S, Scores>& rows, const Receiver<S, Scores>& cols) const {
        if (part.task.both) return scan_both(part, screen, rows, {cols.sink, cols.scores, cols.at + part.at});
        const std::size_t n = part.task.rows.count;
        std::size_t end = n, met = 0;
        if constexpr (AnyScreen::kHasFloor)
            if (judge_.has_floor())
                for (std::size_t i = 0; i < n; ++i)
                    if (!rows.sink.hears(rows.at + i)) screen.set_floor(i, judge_.floor(query(part.task, i)));
        const auto meet = [&](std::size_t i, std::size_t j, float lower, float upper) {
            ++met;
            if constexpr (Scores::kByBlocks)
                if (rows.scores.whole(rows.at + i)) return;
            tell(offer(rows, i, query(part.task, i), index(part, j), lower, upper), part.task, screen, rows, i);
            if constexpr (Scores::kByBlocks)
                if (rows.scores.go_whole(rows.at + i, j + 1, part.base.count)) screen.ignore(i);
        };
        if constexpr (CoarseScreen<AnyScreen, Row>)
            end = screen.scan([&](std::size_t i, std::size_t j,
                                  float lower) { return wanted(rows, i, query(part.task, i), index(part, j), lower); },
                              meet);
        else if constexpr (requires { screen.scan(meet, part.from); })
            screen.scan(meet, part.from);
        else
            screen.scan(meet);
        if constexpr (Scores::kByBlocks) met += score_block(part, end, screen, rows);
        return {end, met};
    }

    template <class AnyScreen, class S, class Scores>
    Outcome scan_both(const Part& part, AnyScreen& screen, const Receiver<S, Scores>& rows,
                      const Receiver<S, Scores>& cols) const {
        Outcome outcome{part.task.rows.count, 0};
        if constexpr (ScreensBothSides<AnyScreen> && S::kOfRows) {
            for (std::size_t j = 0; j < part.base.count; ++j) screen.set_column_bound(j, cols.sink.bound(cols.at + j));
            const auto meet = [&](std::size_t i, std::size_t j, float lower, float upper) {
                const std::size_t row = query(part.task, i), col = index(part, j);
                ++outcome.met;
                if (offer(rows, i, row, col, lower, upper) == Told::bound) screen.set_bound(i, rows.sink.bound(rows.at + i));
                if (offer(cols, j, col, row, lower, upper) == Told::bound)
                    screen.set_column_bound(j, cols.sink.bound(cols.at + j));
            };
            if constexpr (CoarseScreen<AnyScreen, Row>)
                outcome.end = screen.scan_both(
                    [&](std::size_t i, std::size_t j, float lower) {
                        const std::size_t row = query(part.task, i), col = index(part, j);
                        return wanted(rows, i, row, col, lower) || wanted(cols, j, col, row, lower);
                    },
                    meet);
            else
                screen.scan_both(meet, part.from);
        }
        return outcome;
    }

    // The queries that are scored by whole blocks (scores.hpp), up to `end`. Returns the pairs scored.
    template <LeavesQueriesOut AnyScreen, class S, class Scores>
    std::size_t score_block(const Part& part, std::size_t end, AnyScreen& screen, const Receiver<S, Scores>& rows) const {
        const auto& [task, base, at, first] = part;
        bool loaded = false;
        std::size_t scored = 0;
        for (std::size_t i = first; i < end; ++i) {
            const std::size_t row = rows.at + i;
            if (rows.scores.whole(row)) {
                if (!loaded) rows.scores.load_block(base);
                loaded = true;
                const std::size_t from = rows.scores.from(row);
                const float* distances = rows.scores.block(row);
                float bound = rows.sink.bound(row);
                const float reach = screen.reach(i, bound);
                std::size_t near = 0;
                if (bound > rows.scores.least())
                    for (std::size_t j = from; j < base.count; ++j) near += distances[j] <= reach;
                else  // no lower end is below the bound: most ties go by their index, unscored
                    for (std::size_t j = from; j < base.count; ++j)
                        near +=
                            distances[j] <= reach && rows.sink.wants(row, static_cast<std::uint32_t>(index(part, j)), bound);
                for (std::size_t j = from; j < base.count; ++j) {
                    if (distances[j] > bound) continue;
                    if (offer(rows, i, query(task, i), s_.base.first + base[j], distances[j], distances[j]) == Told::bound)
                        bound = rows.sink.bound(row);
                }
                scored += base.count - from;
                rows.scores.finish_whole(row, near, base.count - from);
                if (!rows.scores.whole(row)) screen.set_bound(i, rows.sink.bound(row));
            }
            rows.scores.finish_block(row);
        }
        return scored;
    }

    const Search<Row>& s_;
    const Judge& judge_;
    Watch& watch_;
};

}  // namespace hardmine
