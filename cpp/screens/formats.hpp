// What rows become in fewer bits, and what of the proof in quantised_screen.hpp depends on it.
//
// A format has a Code, which holds one component; which table it is of; where it serves; what underflow in its products may take
// from a value; and Rounding, of a query whose largest component is `most`: rounding.code(x), the number it stands for, and what
// it takes of the scale in the sum, `unit`. (Kernels round base rows.)
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"
#include "screens/frame.hpp"

namespace hardmine {

// Whole numbers of a byte, with a scale for each row: their steps are as wide for a small component as for the largest one.
struct Int8 {
    using Code = std::int8_t;
    static constexpr std::size_t kMostWidth = 1 << 17;  // 127^2 d fits into int32
    static constexpr double kThrough = 2;               // the pairs it lets through, for one that floats report
    static const QuantisedKernels& table(const Kernels& kernels) { return kernels.int8; }
    static bool serves(const Frame& frame) { return frame.d <= kMostWidth && frame.largest_square > 0; }
    static double underflow(std::size_t) { return 0; }

    struct Rounding {
        float unit = 0, inverse = 0;
        explicit Rounding(float most) {
            if (most > 0x1p-100f) unit = most / 127, inverse = 127 / most;
        }
        Code code(float x) const {
            constexpr float kMagic = 0x1.8p23f;  // what it drops is rounded to even
            return static_cast<Code>(std::clamp(x * inverse + kMagic - kMagic, -127.0f, 127.0f));
        }
        double number(Code code) const { return static_cast<double>(code) * static_cast<double>(unit); }
    };
};

// Floats of 8 bits and the exponents of float32: a step is in proportion to the component, so that a few large ones do not blur
// the others. No other scale is needed, and none is subnormal: what would be is 0, and its rest all of it.
struct BFloat16 {
    using Code = std::uint16_t;
    static constexpr double kThrough = 1.25;
    static const QuantisedKernels& table(const Kernels& kernels) { return kernels.bf16; }
    static bool serves(const Frame& frame) { return frame.largest_square > 0; }
    static double underflow(std::size_t d) { return static_cast<double>(d) * 0x1p-123; }

    struct Rounding {
        float unit = 1;
        explicit Rounding(float) {}
        Code code(float x) const {
            const auto bits = std::bit_cast<std::uint32_t>(x), rounded = bits + 0x7fff + (bits >> 16 & 1);
            return (rounded & 0x7f800000) == 0 ? Code{0} : static_cast<Code>(rounded >> 16);
        }
        double number(Code code) const { return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16); }
    };
};

}  // namespace hardmine
