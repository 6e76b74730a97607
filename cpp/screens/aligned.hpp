// Vectors that begin with a cache line: a load of a line's width is then of one line.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace hardmine {

template <class T>
struct Aligned {
    using value_type = T;
    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
    bool operator==(const Aligned&) const = default;

  private:
    static constexpr std::align_val_t kLine{64};
};

template <class T>
using AlignedVector = std::vector<T, Aligned<T>>;

}  // namespace hardmine
