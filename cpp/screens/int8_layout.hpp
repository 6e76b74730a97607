// Rows as bytes, as a table wants them to lie, and its tiles as long as they are needed.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.hpp"

namespace hardmine {

struct Int8Layout {
    std::size_t rows, run, quads;  // of a group, of a block, and of all blocks

    Int8Layout(const Int8Kernels& kernels, std::size_t d) : rows(kernels.rows) {
        const std::size_t whole = (d + 3) / 4, blocks = (whole + kernels.run - 1) / kernels.run;
        run = (whole + blocks - 1) / blocks;
        quads = run * blocks;
    }

    // Of a row, base rows' included.
    std::size_t bytes() const { return 4 * quads; }

    // Where query i begins. Calls put(k, at) for its d components, with their places from there on.
    std::size_t query(std::size_t i) const { return i / rows * rows * bytes() + i % rows * 4 * run; }
    template <class Put>
    void components(std::size_t d, Put&& put) const {
        const std::size_t block = 4 * run;
        for (std::size_t first = 0; first < d; first += block)
            for (std::size_t k = first; k < std::min(d, first + block); ++k) put(k, first * rows + k - first);
    }
};

// What is not released would be in the way of others who use tiles in this thread.
class Int8Tiles {
  public:
    Int8Tiles(const Int8Kernels& kernels, const Int8Layout& layout) : kernels_(kernels) {
        if (kernels_.begin) kernels_.begin(layout.quads);
    }
    ~Int8Tiles() {
        if (kernels_.end) kernels_.end();
    }
    Int8Tiles(const Int8Tiles&) = delete;
    Int8Tiles& operator=(const Int8Tiles&) = delete;

  private:
    const Int8Kernels& kernels_;
};

}  // namespace hardmine
