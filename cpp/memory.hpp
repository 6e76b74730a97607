// How much memory a call takes above its inputs and outputs: so much for all threads, so much for each, and a block of packed
// base rows. All of it is taken before the first thread starts.
#pragma once

#include <algorithm>
#include <cstddef>

namespace hardmine {

constexpr std::size_t kSharedBytes = 32 << 20, kThreadBytes = 2 << 20;
constexpr std::size_t kFewestQueries = 96;  // that a thread takes at a time, whatever they need: fewer waste a packed block

inline std::size_t queries_in_memory(std::size_t bytes_per_query, int threads) {
    const std::size_t budget = kThreadBytes + kSharedBytes / static_cast<std::size_t>(threads);
    return std::max(kFewestQueries, budget / bytes_per_query);
}

}  // namespace hardmine
