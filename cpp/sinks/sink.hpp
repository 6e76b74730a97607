// What a scan keeps of the pairs that it meets: the contract between the loop (scan/visit.hpp) and a sink.
//
// A screen gives a pair as [lower, upper], float32 numbers between which its canonical distance certainly lies. The loop
// offers it to a sink if the sink wants it and the filter allows it; in turn the sink tells how near a pair must be to be of
// use, so that the screen need not report others. A sink has a state for each of its rows, or one for all.
//
// A sink declares what it may count on and what it is:
//   kInOrder  the pairs of a row must be offered in the order of their indices;
//   kOfRows   a pair is kept for a row: where an array is searched against itself, the pair is offered to both of its rows.
//             Otherwise it is offered once;
//   kSifts    it looks exclusion lists up itself, many pairs at a time;
//   kShared   several threads offer to it at once, so that its bounds may tighten meanwhile;
//   kOneBound its bound is one for all rows.
//
//   start(row, query)          before the first offer
//   bound(row)                 no pair farther than this is of use; it never grows
//   wants(row, index, lower)   whether a pair that is no nearer than `lower` is of use: asked of all that a screen reports
//   offer(row, query, index, lower, upper, score)
//                              keeps a pair that is wanted and allowed, or not; score(index) gives the canonical distance.
//                              Returns whether the bound became tighter
//   hears(row)                 whether it wants to hear of the pairs before the window of a row: if not, the screen may leave
//                              them out; if so, the loop calls pass_over(row) for each that is on no exclusion list
//   distrust(row)              a distance lay outside its interval: a proof is wrong
// Nothing may throw or allocate in them but where a sink grows with its answer, which catches what that throws, says so to who
// has made it, and stops the watch.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "terms/key.hpp"

namespace hardmine {

// The score of pairs whose distance is known already: never asked.
struct Known {
    float operator()(std::uint32_t) const { return kInfinity; }
    void fetch(std::uint32_t) const {}
};

template <class S>
concept Sink = requires(S& sink, const S& seen, std::size_t row, std::uint32_t index, float distance, const Known& score) {
    { S::kInOrder } -> std::convertible_to<bool>;
    { S::kOfRows } -> std::convertible_to<bool>;
    { S::kSifts } -> std::convertible_to<bool>;
    { S::kShared } -> std::convertible_to<bool>;
    { S::kOneBound } -> std::convertible_to<bool>;
    sink.start(row, row);
    { seen.bound(row) } -> std::same_as<float>;
    { seen.wants(row, index, distance) } -> std::same_as<bool>;
    { sink.offer(row, row, index, distance, distance, score) } -> std::same_as<bool>;
    { seen.hears(row) } -> std::same_as<bool>;
    sink.pass_over(row);
    sink.distrust(row);
};

// A sink of rows has a life for each row: started for a query, offered pairs, settled, taken.
//   settle(row, query, score)       scores what is left. False if some interval was wrong: the row must be filled anew
//   take(row, keys)                 its neighbours in ascending order, and how many; the row is spent
template <class S>
concept SinkOfRows = Sink<S> && S::kOfRows && requires(S& sink, std::size_t row, const Known& score, Key* keys) {
    { sink.settle(row, row, score) } -> std::same_as<bool>;
    { sink.take(row, keys) } -> std::same_as<std::size_t>;
};

// Of most sinks: the pairs before a window are of no interest.
struct HearsNothing {
    bool hears(std::size_t) const { return false; }
    void pass_over(std::size_t) {}
};

}  // namespace hardmine
