// The blocks of base rows that a scan goes through.
//
// Blocks are visited in strides of the golden ratio, so that rows sorted by distance do not make every block better than
// all before it; no order changes the result. A sink that counts on the order of indices says so, and gets it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>

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

// Of any panel, each of which has a power of two: blocks and parts of a prepared base begin with one.
inline constexpr std::size_t kMostLanes = 128;

// The base rows of a block for n queries: as many as the screen takes, but no more than a thread goes through in a small part
// of a second even if every pair has to be scored, because Ctrl-C waits for the end of a block.
inline std::size_t block_rows(std::size_t most_rows, std::size_t n, std::size_t width, std::size_t wanted) {
    constexpr std::size_t kPairs = 1 << 23, kNumbers = 1 << 29;  // of the rows, multiplied
    const std::size_t fair = std::min(kPairs / n, kNumbers / (n * width)) / kMostLanes * kMostLanes;
    return std::min({most_rows, std::max(kMostLanes, fair), wanted ? wanted : most_rows});
}

}  // namespace hardmine
