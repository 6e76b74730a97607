// The loop of every scan, whatever its screen, filter and sink are, and the only place where they meet. (A matrix, of which
// every pair is an answer, has one of its own: matrix.cpp.)
//
// A task is some rows (as queries) against some base rows. The queries are loaded into the screen once; then, block by block,
// the base rows are loaded, the screen names the pairs that its intervals cannot rule out, the filter is asked, the pair is
// offered to the sink, and the sink's tighter bound is handed back to the screen.
//
// A pair is offered to its query. A task of both sides (`both`: self_join.hpp) offers it to its base row as well, so that it
// is multiplied once. A sink that is not of rows needs no second offer: its tasks are of one side, those of a triangle, too.
//
// Blocks are visited in strides of the golden ratio, so that rows sorted by distance do not make every block better than
// all before it; no order changes the result. A sink that counts on the order of indices says so, and gets it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "scan/parallel.hpp"
#include "scan/plan.hpp"
#include "screens/screen.hpp"
#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/search.hpp"

namespace hardmine {

// Calls visit(begin, end) for the blocks of [0, count), each once: one after the other, or in strides of about 0.618 of their
// number; until one returns false.
template <class Visit>
void visit_blocks(std::size_t count, std::size_t block, bool in_order, Visit&& visit) {
    const std::size_t blocks = (count + block - 1) / block;
    std::size_t stride =
        in_order ? 1 : std::max<std::size_t>(1, static_cast<std::size_t>(0.618 * static_cast<double>(blocks)));
    while (std::gcd(stride, blocks) > 1) ++stride;
    for (std::size_t i = 0, b = 0; i < blocks; ++i, b = (b + stride) % blocks)
        if (!visit(b * block, std::min(count, (b + 1) * block))) return;
}

// The base rows of a block for n queries: as many as the screen takes, but no more than a thread goes through in a small part
// of a second even if every pair has to be scored, because Ctrl-C waits for the end of a block.
inline std::size_t block_rows(std::size_t most_rows, std::size_t n, std::size_t width, std::size_t wanted) {
    constexpr std::size_t kPairs = 1 << 23, kNumbers = 1 << 29;  // of the rows, multiplied
    constexpr std::size_t kWhole = 128;                          // no panel has more lanes
    const std::size_t fair = std::min(kPairs / n, kNumbers / (n * width)) / kWhole * kWhole;
    return std::min({most_rows, std::max(kWhole, fair), wanted ? wanted : most_rows});
}

// One side of a task: row i is row `at + i` of a sink and of what scores its pairs.
template <class S, class Scores>
struct Receiver {
    S& sink;
    Scores& scores;
    std::size_t at = 0;
};
template <class S, class Scores>  // clang before 17 does not deduce these for itself
Receiver(S&, Scores&, std::size_t = 0) -> Receiver<S, Scores>;

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
    bool visit(const Task& task, AnyScreen& screen, Receiver<S, Scores> rows, Receiver<S, Scores> cols) const {
        const std::size_t n = task.rows.count;
        const std::size_t block = block_rows(screen.most_rows(), n, s_.base.width, s_.block);
        bool good = true;
        screen.load_queries(s_.queries, task.rows);
        tell_bounds(screen, rows, n);
        visit_blocks(task.base.count, block, S::kInOrder, [&](std::size_t begin, std::size_t end) {
            const Selection base = task.base.part(begin, end);
            good = screen.load_block(s_.base, base);
            if (!good) {
                watch_.stop();
                return false;
            }
            if constexpr (S::kShared || S::kOneBound) tell_bounds(screen, rows, n);
            if (task.both)
                scan_both(task, base, screen, rows, {cols.sink, cols.scores, cols.at + begin});
            else
                scan(task, base, screen, rows);
            return rows.scores.pay(static_cast<std::uint64_t>(n) * base.count) && watch_.step(n * base.count);
        });
        return good;
    }
    template <Screen<Row> AnyScreen, Sink S, class Scores>
    bool visit(const Task& task, AnyScreen& screen, S& sink, Scores& scores) const {
        return visit(task, screen, Receiver<S, Scores>{sink, scores}, Receiver<S, Scores>{sink, scores});
    }

    // Offers row i of `rows`, which is started anew, all pairs with these base rows by their canonical distances: where a
    // proof has failed.
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
    enum class Told { nothing, bound, floor };  // what a screen is to hear of a sink after an offer

    template <class AnyScreen, class Side>
    void tell_bounds(AnyScreen& screen, const Side& rows, std::size_t n) const {
        for (std::size_t i = 0; i < n; ++i) screen.set_bound(i, rows.sink.bound(rows.at + i));
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

    template <class AnyScreen, class S, class Scores>
    void scan(const Task& task, const Selection& base, AnyScreen& screen, const Receiver<S, Scores>& rows) const {
        if constexpr (AnyScreen::kHasFloor)
            if (judge_.has_floor())
                for (std::size_t i = 0; i < task.rows.count; ++i)
                    if (!rows.sink.hears(rows.at + i)) screen.set_floor(i, judge_.floor(query(task, i)));
        screen.scan([&](std::size_t i, std::size_t j, float lower, float upper) {
            if constexpr (Scores::kByBlocks)
                if (rows.scores.whole(rows.at + i)) return;
            tell(offer(rows, i, query(task, i), s_.base.first + base[j], lower, upper), task, screen, rows, i);
            if constexpr (Scores::kByBlocks)
                if (rows.scores.go_whole(rows.at + i, j + 1, base.count)) screen.ignore(i);
        });
        if constexpr (Scores::kByBlocks) score_block(task, base, screen, rows);
    }

    template <class AnyScreen, class S, class Scores>
    void scan_both(const Task& task, const Selection& base, AnyScreen& screen, const Receiver<S, Scores>& rows,
                   const Receiver<S, Scores>& cols) const {
        if constexpr (ScreensBothSides<AnyScreen> && S::kOfRows) {
            for (std::size_t j = 0; j < base.count; ++j) screen.set_column_bound(j, cols.sink.bound(cols.at + j));
            screen.scan_both([&](std::size_t i, std::size_t j, float lower, float upper) {
                const std::size_t row = query(task, i), col = s_.base.first + base[j];
                if (offer(rows, i, row, col, lower, upper) == Told::bound) screen.set_bound(i, rows.sink.bound(rows.at + i));
                if (offer(cols, j, col, row, lower, upper) == Told::bound)
                    screen.set_column_bound(j, cols.sink.bound(cols.at + j));
            });
        }
    }

    // The queries that are scored by whole blocks (scores.hpp).
    template <LeavesQueriesOut AnyScreen, class S, class Scores>
    void score_block(const Task& task, const Selection& base, AnyScreen& screen, const Receiver<S, Scores>& rows) const {
        bool loaded = false;
        for (std::size_t i = 0; i < task.rows.count; ++i) {
            const std::size_t row = rows.at + i;
            if (rows.scores.whole(row)) {
                if (!loaded) rows.scores.load_block(base);
                loaded = true;
                const std::size_t from = rows.scores.from(row);
                const float* distances = rows.scores.block(row);
                const float reach = screen.reach(i, rows.sink.bound(row));
                std::size_t near = 0;
                for (std::size_t j = from; j < base.count; ++j) near += distances[j] <= reach;
                float bound = rows.sink.bound(row);
                for (std::size_t j = from; j < base.count; ++j) {
                    if (distances[j] > bound) continue;
                    if (offer(rows, i, query(task, i), s_.base.first + base[j], distances[j], distances[j]) == Told::bound)
                        bound = rows.sink.bound(row);
                }
                rows.scores.finish_whole(row, near, base.count - from);
                if (!rows.scores.whole(row)) screen.set_bound(i, rows.sink.bound(row));
            }
            rows.scores.finish_block(row);
        }
    }

    const Search<Row>& s_;
    const Judge& judge_;
    Watch& watch_;
};

}  // namespace hardmine
