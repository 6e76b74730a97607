// How much memory a call takes above its inputs and outputs: 34 MiB and 3 MiB a thread, whatever the numbers of rows and
// dimensions are. All of it is taken before the first thread starts.
//
// kSharedBytes are divided among the threads, kThreadBytes is each one's own; the rest of the rule is for what is small beside
// them: stacks, the plan, parts of results (kPartBytes), the frame. A thread packs as many queries at a time as its share
// holds beside a block of base rows; where not even a few fit, they are read in place (few_screen.hpp), or, for a matrix,
// fewer threads share the memory. One query at a time is the least: its sink may exceed the share if k exceeds some 50,000,
// and so may a block of a matrix in more than some 300,000 dimensions.
//
// Beyond the rule are
//   lists of rows: 4 bytes for every base row that a mask leaves (plan.hpp), and in a self-join for every one that it does
//     not; with groups that must be the same 4 bytes for every row of either side, and 40 for a group;
//   caps per group: a number for each of up to 2k + 1 groups (group_caps.hpp);
//   a self-join's sinks, up to a limit of its own (self_join.hpp), and 4 bytes for every row where pairs before a window are
//     counted. Its threads stay within the rule: where rows are too wide for that it leaves them to the plain scan;
//   pairs, which grow as they are found: 12 bytes each (pair_list.hpp), and 8 for every row from the first to the last that
//     has any while they are put in order, with the pairs of the longest row for each thread; of the nearest of all twice as
//     many as are wanted (closest.hpp);
//   a histogram's counts for each thread, and a table of up to 256 KiB (histogram.hpp);
//   where all pairs are an answer, 8 bytes a row of either side of a canonical matrix, and 8 MiB for listed pairs
//   (matrix.cpp).
#pragma once

#include <algorithm>
#include <cstddef>

namespace hardmine {

constexpr std::size_t kSharedBytes = 28 << 20, kThreadBytes = 2 << 20;
constexpr std::size_t kPartBytes = 4 << 20;

inline std::size_t thread_share(int threads) { return kThreadBytes + kSharedBytes / static_cast<std::size_t>(threads); }

// Whether each thread has room for so many bytes, and how many of them do; at least one.
inline bool in_share(int threads, std::size_t bytes) { return bytes <= thread_share(threads); }
inline int threads_in_memory(int threads, std::size_t bytes) {
    while (threads > 1 && !in_share(threads, bytes)) --threads;
    return threads;
}

// The queries that a thread takes at a time, at least one: `fixed` bytes are needed whatever their number is, but not by up to
// `few` queries, which `few_fixed` is enough for.
inline std::size_t queries_in_memory(int threads, std::size_t per_query, std::size_t fixed, std::size_t few,
                                     std::size_t few_fixed) {
    const std::size_t share = thread_share(threads);
    const std::size_t many = share > fixed ? (share - fixed) / per_query : 0;
    if (many > few) return many;
    return std::clamp<std::size_t>(share > few_fixed ? (share - few_fixed) / per_query : 0, 1, few);
}

// The rows of a matrix of 4-byte numbers that a thread writes at a time, of `most`: the system clears a page of up to 2 MiB
// when it is first written to, and Ctrl-C waits for the pages of a block of columns.
inline std::size_t rows_at_once(std::size_t stride, std::size_t most) {
    constexpr std::size_t kBytes = 96 << 20, kFewest = 256;
    return std::min(most, std::max(kFewest, kBytes / (4 * std::max<std::size_t>(1, stride))));
}

}  // namespace hardmine
