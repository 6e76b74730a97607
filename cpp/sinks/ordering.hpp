// Orders of millions of elements, by algorithms of the standard library that look at the watch as they compare.
#pragma once

#include <cstdint>

#include "terms/watch.hpp"

namespace hardmine {

// Calls algorithm(less), a sort or a selection of numbers and the like. False if the watch ended it: then they are in no
// order.
template <class Less, class Algorithm>
bool watched(Watch& watch, Less&& less, Algorithm&& algorithm) {
    constexpr std::uint32_t kComparisons = 1 << 16;
    struct Ended {};
    std::uint32_t compared = 0;
    try {
        algorithm([&](const auto& a, const auto& b) {
            if (++compared % kComparisons == 0 && !watch.step(0)) throw Ended();
            return less(a, b);
        });
    } catch (const Ended&) {
        return false;
    }
    return true;
}

}  // namespace hardmine
