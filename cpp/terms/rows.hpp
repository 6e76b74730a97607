// The only array view in C++: rows of equal width at a fixed distance from each other, read in place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hardmine {

// Which rows of the caller's array.
struct Extent {
    std::size_t first, count;
};

template <class T>
struct Rows {
    const T* data;
    std::size_t count;
    std::size_t width;
    std::ptrdiff_t stride;  // elements between the starts of neighbouring rows
    std::size_t first = 0;  // the index of row 0 in the caller's array, of which this may be a block

    Extent extent() const { return {first, count}; }
    const T* operator[](std::size_t i) const { return data + static_cast<std::ptrdiff_t>(i) * stride; }
};

// A number of the caller's that was checked to be less than `count`; read once, for the caller may change it meanwhile.
inline std::size_t position(const std::int64_t* number, std::size_t count) {
    const auto at = static_cast<std::size_t>(*static_cast<const volatile std::int64_t*>(number));
    return at < count ? at : count - 1;
}

// Some rows of an array: those listed, or neighbours.
struct Selection {
    const std::uint32_t* ids = nullptr;  // null: the numbers themselves
    std::size_t first = 0, count = 0;

    std::size_t operator[](std::size_t i) const { return ids ? ids[first + i] : first + i; }
    Selection part(std::size_t begin, std::size_t end) const { return {ids, first + begin, end - begin}; }
};

}  // namespace hardmine
