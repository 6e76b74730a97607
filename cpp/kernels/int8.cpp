// The kernels of rows as int8: how bytes are multiplied depends on the set (int8_registers.hpp or int8_tiles.hpp); how rows
// become bytes, and what becomes of the sums, does not.
#include "int8_epilogue.hpp"
#include "kernels.hpp"
#include "simd.hpp"

#if defined(HM_TILES)
#include "int8_tiles.hpp"
#else
#include "int8_registers.hpp"
#endif

namespace hardmine {
namespace HM_ISA {
namespace {

size_t screen(const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads, Hit* hits) {
    return screen_with(TestRows(q, panel), q, groups, panel, quads, hits);
}

size_t screen_both(const Int8Queries& q, size_t groups, const Int8Panel& panel, const float* column_high, size_t quads,
                   Hit* hits) {
    return screen_with(TestBoth(q, panel, column_high), q, groups, panel, quads, hits);
}

// To the nearest integer, for |v| < 2^22: what the addition drops is rounded to even.
inline Ints nearest(Vec v) {
    const Vec magic = spread(0x1.8p23f);
    return (Ints)(v + magic) - (Ints)magic;
}

// Lanes side by side: no transposition, and a quad of a lane is put together by shifts.
void quantise(const float* panel, size_t d, uint8_t* codes, float* scale, float* residual, float* length) {
    for (size_t h = 0; h < 2; ++h, panel += kWidth, codes += HM_BYTES) {
        Vec most = {};
        for (size_t k = 0; k < d; ++k) {
            const Vec x = load(panel + k * kLanes);
            most = larger(most, larger(x, -x));
        }
        const Vec unit = most / spread((float)kMost), inverse = spread((float)kMost) / most;
        Vec residuals = {}, lengths = {};
        for (size_t k = 0; k < d; k += 4) {
            Unsigned quad = {};
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
                quad |= ((Unsigned)(code + kOffset) & 255) << (8 * (int)i);
            }
            memcpy(codes + k * kLanes, &quad, sizeof quad);
        }
        store(scale + h * kWidth, unit);
        store(residual + h * kWidth, residuals);
        store(length + h * kWidth, lengths);
    }
}

}  // namespace

// Queries that pass over a panel together: all of a search of few (scan/families.hpp), and enough for the pairs that those may
// have looked at again (screens/int8_screen.hpp: 8 / kLeastPairsOfFew of the rows, in room for 64 / kLeastPairs).
static_assert(kGroups * kRows >= 64);

extern const Int8Kernels int8;
constexpr Int8Kernels int8 = {
    .name = HM_NAME,
    .rows = kRows,
    .lanes = kLanes,
    .run = kRun,
    .groups = kGroups,
    .offset = kOffset,
    .gain = kGain,
    .begin = begin,
    .end = end,
    .quantise = quantise,
    .screen = screen,
    .screen_both = screen_both,
    .peak = peak,
    .products = products,
};

}  // namespace HM_ISA
}  // namespace hardmine
