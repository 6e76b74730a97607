// Rows in fewer bits, as a table wants them to lie, and its tiles as long as they are needed.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.hpp"

namespace hardmine {

struct QuantisedLayout {
    std::size_t rows, per_word, run, words;  // of a group; components; words of a block, and of all blocks

    QuantisedLayout(const QuantisedKernels& kernels, std::size_t d) : rows(kernels.rows), per_word(kernels.per_word) {
        const std::size_t whole = (d + per_word - 1) / per_word, blocks = (whole + kernels.run - 1) / kernels.run;
        run = (whole + blocks - 1) / blocks;
        words = run * blocks;
    }

    // Of a row, base rows' included: bytes, and components with those that fill it up.
    std::size_t bytes() const { return 4 * words; }
    std::size_t width() const { return per_word * words; }

    // Where query i begins, in components. Calls put(k, at) for its d components, with their places from there on.
    std::size_t query(std::size_t i) const { return i / rows * rows * width() + i % rows * per_word * run; }
    template <class Put>
    void components(std::size_t d, Put&& put) const {
        const std::size_t block = per_word * run;
        for (std::size_t first = 0; first < d; first += block)
            for (std::size_t k = first; k < std::min(d, first + block); ++k) put(k, first * rows + k - first);
    }
};

// What is not released would be in the way of others who use tiles in this thread.
class QuantisedTiles {
  public:
    QuantisedTiles(const QuantisedKernels& kernels, const QuantisedLayout& layout) : kernels_(kernels) {
        if (kernels_.begin) kernels_.begin(layout.words);
    }
    ~QuantisedTiles() {
        if (kernels_.end) kernels_.end();
    }
    QuantisedTiles(const QuantisedTiles&) = delete;
    QuantisedTiles& operator=(const QuantisedTiles&) = delete;

  private:
    const QuantisedKernels& kernels_;
};

}  // namespace hardmine
