// Which screen does a scan of many queries: asked for, or chosen where it pays; and what became of it. No result depends on it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace hardmine {

// Unasked, blocks go to a coarse screen where it is expected to be faster (screens/coarse_screens.hpp).
enum class Choice { unasked, float32, int8, bf16 };

inline constexpr std::array<std::string_view, 4> kChoices = {"", "float32", "int8", "bf16"};

inline std::atomic<Choice> choice{Choice::unasked};

// Of all calls of this process: the pairs of queries and base rows that a screen did; of those of the coarse ones, whose rows it
// found prepared, and which it looked at again.
template <class AnyScreen>
inline std::atomic<std::uint64_t> screened_pairs{0};
inline std::atomic<std::uint64_t> pairs_prepared{0}, pairs_looked_at{0};

// Those of a task, added at its end: blocks of a few queries are so small that threads would wait for each other.
template <class AnyScreen>
struct CountedPairs {
    std::uint64_t done = 0;
    ~CountedPairs() { screened_pairs<AnyScreen>.fetch_add(done, std::memory_order_relaxed); }
};

}  // namespace hardmine
