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
//                                bounds may be set meanwhile. Codes report j ascending for each i
// A screen of floats, whose intervals have a width, can also be told to leave a query to the canonical distance:
//   ignore(i)                    no pair of query i need be reported, not even one whose interval is the whole line
//   reach(i, bound)              a pair of the block farther than this is certainly not reported
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
    screen.scan([](std::size_t, std::size_t, float, float) {});
};

// What a task of both sides needs (scan/self_join.hpp): without it such a task would offer nothing.
template <class S>
concept ScreensBothSides = S::kBothSides && requires(S& screen, std::size_t j, float x) {
    screen.set_column_bound(j, x);
    screen.scan_both([](std::size_t, std::size_t, float, float) {});
};

// What scores its pairs by whole blocks (scan/scores.hpp) needs these as well.
template <class S>
concept LeavesQueriesOut = requires(S& screen, const S& seen, std::size_t i, float x) {
    screen.ignore(i);
    { seen.reach(i, x) } -> std::same_as<float>;
};

}  // namespace hardmine
