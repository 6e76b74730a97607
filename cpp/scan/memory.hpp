// How much memory a call takes above its inputs and outputs: 34 MiB and 3 MiB a thread, whatever the numbers of rows and
// dimensions are. All of it is taken before the first thread starts.
//
// kSharedBytes are divided among the threads, kThreadBytes is each one's own; the rest of the rule is for what is small beside
// them: stacks, the plan, parts of results (kPartBytes), the frame. A thread packs as many queries at a time as its share
// holds beside a block of base rows; where not even a few fit, they are read in place (few_screen.hpp). One query at a time is
// the least: its sink may exceed the share if k exceeds some 50,000.
//
// Beyond the rule are lists of rows: 4 bytes for every base row that a mask leaves; with groups that must be the same 4 bytes
// for every row of either side, and 40 for a group (plan.hpp). A self-join has a limit of its own (self_join.hpp), and beyond
// it 4 bytes for every row where pairs before a window are counted.
#pragma once

#include <algorithm>
#include <cstddef>

namespace hardmine {

constexpr std::size_t kSharedBytes = 28 << 20, kThreadBytes = 2 << 20;
constexpr std::size_t kPartBytes = 4 << 20;

inline std::size_t thread_share(int threads) { return kThreadBytes + kSharedBytes / static_cast<std::size_t>(threads); }

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
