// The kernels of rows as int8: how bytes are multiplied depends on the set (quantised_registers.hpp or quantised_tiles.hpp); how
// rows become bytes, and what becomes of the sums, does not.
#include "kernels.hpp"
#include "quantised_epilogue.hpp"
#include "simd.hpp"

#if defined(HM_TILES)
#define HM_PRODUCT dpbssd
#include "quantised_tiles.hpp"
#else
#include "int8_product.hpp"
#include "quantised_registers.hpp"
#if defined(__ARM_FEATURE_MATMUL_INT8)
#include "int8_matrices.hpp"
#endif
#endif
#include "quantised_table.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

#if defined(HM_TILES)
struct Product {
    typedef Ints Sum;
    static constexpr double kAdded = 4;  // to a sum, of each word
};
constexpr int32_t kMost = 127, kOffset = 0;
// Of the prototype, not yet of this code: the test included, on a core whose FMA peak is 215 Gop/s, it ran at 6.7 times that in
// 64 dimensions, at 12 to 18 times in 128 to 512. The float32 tile stays below the peak.
constexpr float kGain = 6.5f;
#endif

// To the nearest integer, for |v| < 2^22: what the addition drops is rounded to even.
inline Ints nearest(Vec v) {
    const Vec magic = spread(0x1.8p23f);
    return (Ints)(v + magic) - (Ints)magic;
}

// Lanes side by side: no transposition, and a word of a lane is put together by shifts.
void quantise(const float* panel, size_t d, void* to, float* scale, float* residual, float* length) {
    uint8_t* codes = (uint8_t*)to;
    for (size_t h = 0; h < 2; ++h, panel += kWidth, codes += HM_BYTES) {
        Vec most = {};
        for (size_t k = 0; k < d; ++k) {
            const Vec x = load(panel + k * kLanes);
            most = larger(most, larger(x, -x));
        }
        const Vec unit = most / spread((float)kMost), inverse = spread((float)kMost) / most;
        Vec residuals = {}, lengths = {};
        for (size_t k = 0; k < d; k += 4) {
            Unsigned word = {};
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; ++i) {
                Ints code = {};
                if (k + i < d) {
                    const Vec x = load(panel + (k + i) * kLanes);
                    code = nearest(most > 0 ? x * inverse : Vec{});
                    code = code > kMost ? spread_int(kMost) : code < -kMost ? spread_int(-kMost) : code;
                    const Vec whole = to_floats(code) * unit, rest = x - whole;
                    residuals = fma(rest, rest, residuals);
                    lengths = fma(whole, whole, lengths);
                }
                word |= ((Unsigned)(code + kOffset) & 255) << (8 * (int)i);
            }
            memcpy(codes + k * kLanes, &word, sizeof word);
        }
        store(scale + h * kWidth, unit);
        store(residual + h * kWidth, residuals);
        store(length + h * kWidth, lengths);
    }
}

}  // namespace

// Queries that pass over a panel together: all of a search of few (scan/families.hpp), and enough for the pairs that those may
// have looked at again (screens/quantised_screen.hpp: 8 / kLeastPairsOfFew of the rows, in room for 64 / kLeastPairs).
static_assert(kGroups * kRows >= 64);

extern const QuantisedKernels int8;
constexpr QuantisedKernels int8 = table<Product>(4, kOffset, kGain, quantise);

}  // namespace HM_ISA
}  // namespace hardmine
