// A neighbour as one integer: order-preserving bits of the float32 distance, then the 32-bit index.
//
// Order, ties (the lower index wins) and merging are then integer comparisons, and no two pairs of a row compare equal.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace hardmine {

using Key = std::uint64_t;

constexpr Key kNoKey = std::numeric_limits<Key>::max();  // after every pair
constexpr std::uint32_t kLastIndex = 0xffffffffu;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Negative floats have all bits flipped, the others the sign bit, so that unsigned order is float order. x is not NaN;
// -0 is taken for +0.
inline Key make_key(float distance, std::uint32_t index) {
    const auto bits = std::bit_cast<std::uint32_t>(distance + 0.0f);
    const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return Key{ordered} << 32 | index;
}

// No pair comes before this key.
inline const Key kFirstKey = make_key(-kInfinity, 0);

inline float distance_of(Key key) {
    const auto ordered = static_cast<std::uint32_t>(key >> 32);
    return std::bit_cast<float>(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}

inline std::uint32_t index_of(Key key) { return static_cast<std::uint32_t>(key); }

}  // namespace hardmine
