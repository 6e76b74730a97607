// The kernels of rows as bfloat16, the upper halves of float32: how they are multiplied depends on the set
// (quantised_registers.hpp or quantised_tiles.hpp); how rows become bfloat16, and what becomes of the sums, does not.
#include "kernels.hpp"
#include "quantised_epilogue.hpp"
#include "simd.hpp"

#if defined(HM_TILES)
#define HM_PRODUCT dpbf16ps
#include "quantised_tiles.hpp"
#else
#include "bf16_product.hpp"
#include "quantised_registers.hpp"
#endif
#include "quantised_table.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

#if defined(HM_TILES)
struct Product {
    typedef Vec Sum;
    static constexpr double kAdded = 2;  // to a sum, of each word
};
// Half of what bytes gain (int8.cpp): tiles multiply half as many. Not yet measured with this code.
constexpr float kGain = 3.25f;
#endif

// To the nearest bfloat16, ties to even; zeros for those that would be subnormal, of which products know nothing. x is finite and
// not within half a step of infinity.
inline Unsigned nearest(Vec x) {
    const Unsigned bits = (Unsigned)x, rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    return (rounded & 0x7f800000u) == 0 ? Unsigned{} : rounded;
}

void quantise(const float* panel, size_t d, void* to, float* scale, float* residual, float* length) {
    uint8_t* codes = (uint8_t*)to;
    for (size_t h = 0; h < 2; ++h, panel += kWidth, codes += HM_BYTES) {
        Vec residuals = {}, lengths = {};
        for (size_t k = 0; k < d; k += 2) {
            Unsigned half[2] = {};
#pragma GCC unroll 2
            for (size_t i = 0; i < 2; ++i)
                if (k + i < d) {
                    const Vec x = load(panel + (k + i) * kLanes);
                    half[i] = nearest(x);
                    const Vec rest = x - (Vec)half[i];
                    residuals = fma(rest, rest, residuals);
                    lengths = fma((Vec)half[i], (Vec)half[i], lengths);
                }
            const Unsigned word = half[0] >> 16 | half[1];
            memcpy(codes + k * 2 * kLanes, &word, sizeof word);
        }
        store(scale + h * kWidth, spread(1.0f));
        store(residual + h * kWidth, residuals);
        store(length + h * kWidth, lengths);
    }
}

}  // namespace

extern const QuantisedKernels bf16;
constexpr QuantisedKernels bf16 = table<Product>(2, 0, kGain, quantise);

}  // namespace HM_ISA
}  // namespace hardmine
