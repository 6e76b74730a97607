// What can say of many pairs at once that they are too far apart: the contract between the loop (scan/visit.hpp) and a screen.
//
// A screen is loaded with queries, then with one block of base rows after the other, and reports the pairs of the block that
// it cannot rule out, each with an interval that certainly contains its canonical distance. What else it can do it declares:
//   kHasFloor    set_floor(i, farther): pairs of query i no farther than `farther` need not be reported. Lasts for a block;
//   kBothSides   set_column_bound(j, bound) and scan_both(offer): a pair is reported if the bound of its query or the bound
//                of its base row lets it through.
//
//   load_queries(queries, ids)   the queries of a task
//   load_block(base, ids)        false if a row is not finite
//   set_bound(i, bound)          pairs of query i farther than `bound` need not be reported; ends an ignore(i)
//   scan(offer)                  calls offer(i, j, lower, upper), numbers of the query in the task and the row in the block;
//                                bounds may be set meanwhile. j ascends for each i
// A screen of floats, whose intervals have a width, can also be told to leave a query to the canonical distance:
//   ignore(i)                    no pair of query i need be reported, not even one whose interval is the whole line
//   reach(i, bound)              a pair of the block farther than this is certainly not reported
//
// A coarse screen lets more through and looks at it again. It does a block only where that pays, and as much of it as pays; a
// screen for the same rows does the rest:
//   start()                      before the first block of a task
//   tries(share)                 whether the next block is worth a try, if this share of the last pairs had to be reported;
//   asked
//                                once a block, before its queries are loaded
//   found_prepared()             whether the block needed no packing
//   looked_at()                  at how many of its pairs it has looked again
//   scan(wanted, offer)          as scan(offer), but what it would look at again it asks for first: wanted(i, j, lower).
//                                Returns the first query that it has not begun with. So does scan_both
#pragma once

#include <concepts>
#include <cstddef>

#include "terms/rows.hpp"

namespace hardmine {

template <class S, class Row>
concept Screen = requires(S& screen, const Rows<Row>& rows, const Selection& ids, std::size_t i, float x) {
    { S::kHasFloor } -> std::convertible_to<bool>;
    { S::kBothSides } -> std::convertible_to<bool>;
    { screen.most_rows() } -> std::same_as<std::size_t>;
    screen.load_queries(rows, ids);
    { screen.load_block(rows, ids) } -> std::same_as<bool>;
    screen.set_bound(i, x);
    requires requires { screen.tries(0.5); } || requires { screen.scan([](std::size_t, std::size_t, float, float) {}); };
};

template <class S, class Row>
concept CoarseScreen = Screen<S, Row> && requires(S& screen) {
    screen.start();
    { screen.pays(0.5) } -> std::same_as<bool>;
    { screen.tries(0.5) } -> std::same_as<bool>;
    { screen.found_prepared() } -> std::same_as<bool>;
    { screen.looked_at() } -> std::same_as<std::size_t>;
    {
        screen.scan([](std::size_t, std::size_t, float) { return true; }, [](std::size_t, std::size_t, float, float) {})
    } -> std::same_as<std::size_t>;
};

// What a task of both sides needs (scan/self_join.hpp): without it such a task would offer nothing.
template <class S>
concept ScreensBothSides = S::kBothSides && requires(S& screen, std::size_t j, float x) {
    screen.set_column_bound(j, x);
    requires requires { screen.tries(0.5); } || requires { screen.scan_both([](std::size_t, std::size_t, float, float) {}); };
};

// What scores its pairs by whole blocks (scan/scores.hpp) needs these as well.
template <class S>
concept LeavesQueriesOut = requires(S& screen, const S& seen, std::size_t i, float x) {
    screen.ignore(i);
    { seen.reach(i, x) } -> std::same_as<float>;
};

}  // namespace hardmine
