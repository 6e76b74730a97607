// The seam between arithmetic and everything else: constant tables of functions, one per family and instruction set.
//
// Contract of every function: no allocation, no exception, no threads, no global state (but the tiles of a thread, between
// QuantisedKernels::begin and end); pointers need only the alignment of their type; inputs and outputs do not overlap. d and numbers
// of groups are at least 1.
//
// A family is one source, compiled once per instruction set (the table in CMakeLists.txt): HM_ISA names the set, HM_BYTES is
// the width of its vectors. Five rules, kept by tests/core/test_build.py, because objects built for different CPUs are linked
// together: a source defines exactly one external symbol, its table; the table is constant-initialised; only C headers and
// this folder are included (a template shared with another object could be linked from the wrong one); no vector type crosses
// the border; no allocation, exception or thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hardmine {

// A pair that the screen could not rule out: query row within the call, lane within the panel, and the screened value.
struct Hit {
    uint32_t row;
    uint32_t lane;
    float value;
};

// The same for codes, with their distance in bits.
struct CodeHit {
    uint16_t row, lane;
    uint32_t distance;
};

// Many float rows. A lane is a base row. `pack` turns `lanes` base rows into a panel laid out [dimension][lane], and `screen`
// multiplies groups of `rows` queries by it, so that every dot product is one chain of fused multiply-adds in one lane: no
// horizontal sums, no tails in the dimensions, and the same bits at every vector width.
struct TileKernels {
    const char* name;
    size_t rows;   // queries in a register tile; packed queries come in groups of this many
    size_t lanes;  // base rows in a panel

    // panel[k * lanes + j] = rows[j][k] * scale[j] - origin[k], rounded once where the CPU has FMA;
    // norms[j] = the sum of their squares in float32 (four chains, k modulo 4).
    void (*pack)(const float* const* rows, float scale, const float* origin, size_t d, float* panel, float* norms);

    // The same for rows that are divided by their norms: panel[k * lanes + j] = rows[j][k] * factor[j] - origin[k], computed
    // in float64 and rounded once, so that what a narrow cone of rows loses is the float32 of the differences and not of the
    // rows.
    void (*pack_unit)(const float* const* rows, const double* factor, const double* origin, size_t d, float* panel,
                      float* norms);

    // value(i, j) = bias[j] + sum_k queries[i][k] * panel[k][j]. Writes the pairs with low[i] <= value <= high[i] in the
    // order of i, then j, and returns their number. `queries` holds `groups` groups laid out [k][rows]; low and high have
    // groups * rows entries; hits has room for groups * rows * lanes.
    size_t (*screen)(const float* queries, size_t groups, const float* panel, const float* bias, size_t d, const float* low,
                     const float* high, Hit* hits);

    // The same for rows and columns at once: writes the pairs with value <= high[i] or value + shift[i] <= column_high[j].
    size_t (*screen_both)(const float* queries, size_t groups, const float* panel, const float* bias, size_t d,
                          const float* high, const float* shift, const float* column_high, Hit* hits);

    // out[i][j] = x * unit[0] * unit[1], never -0, with x = max(floor, row_bias[i] + bias[j] + dot), or its square root if
    // `root`, for i < n and j < m <= lanes. Two units, because the product of the scales may leave float32 where the result
    // does not. A pair whose value before the root is below doubt_row[i] + doubt[j] is also reported as a hit.
    size_t (*dense)(const float* queries, size_t n, const float* panel, const float* bias, size_t d, const float* row_bias,
                    const float* doubt_row, const float* doubt, float floor, const float* unit, bool root, float* out,
                    size_t stride, size_t m, Hit* hits);

    // For the benchmark: `steps` rounds of one multiply-add on every sum of a register tile, with all operands in registers.
    // Returns the floating-point operations done; *sink keeps them from being optimised away.
    double (*peak)(size_t steps, float* sink);

    // And the values of `screen` without its comparisons: all of them, as bits, in one exclusive or.
    uint32_t (*products)(const float* queries, size_t groups, const float* panel, const float* bias, size_t d);
};

// Few float queries, straight from unpacked rows: out[r * n + i] is the squared distance (or the dot product) of row r and
// query i, in float32 and in no stated order of summation; norms[r] is the squared norm of row r.
struct FewKernels {
    const char* name;
    void (*sqeuclidean)(const float* const* queries, size_t n, const float* const* rows, size_t count, size_t d, float* out);
    void (*dot)(const float* const* queries, size_t n, const float* const* rows, size_t count, size_t d, float* out,
                float* norms);

    // Of pairs of rows, each times its scale: out[p] = |a[p] * scale_a[p] - b[p] * scale_b[p]|^2, or their dot product.
    void (*sqeuclidean_pairs)(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b,
                              size_t count, size_t d, float* out);
    void (*dot_pairs)(const float* const* a, const float* scale_a, const float* const* b, const float* scale_b, size_t count,
                      size_t d, float* out);
};

// Float rows in fewer bits, as int8 or bfloat16: x = scale * X + rest, where X are whole numbers of a byte, or floats of 16 bits
// and the scale is 1. A word is as many neighbouring components as four bytes hold; what is missing of the last one is 0. They
// lie in blocks of one size, of which a query's part lies together: the fewest blocks of at most `run` words, and in queries
// zeros up to the end of the last (QuantisedLayout in screens/quantised_layout.hpp). A group of `rows` queries is laid out
// [block][row][word], a panel of `lanes` base rows [word][lane]. Bytes of base rows are moved by `offset` to be unsigned, or, if
// that is 0, signed: |X| <= 127 for a query, and for a base row, < offset where there is one. No bfloat16 is subnormal. The
// panels of a set have as many lanes as its TileKernels.
struct QuantisedQueries {  // of which function i-th entries belong to query i
    const void* codes;     //
    const int32_t* start;  // - offset * the sum of X
    const float *factor, *length, *residual, *high, *shift;
};
struct QuantisedPanel {
    const void* codes;
    const float *scale, *bias, *residual, *length;  // per lane
};
struct QuantisedKernels {
    const char* name;
    size_t rows, lanes, run;
    size_t per_word;  // components
    size_t groups;    // that pass over a panel at a time
    int32_t offset;
    float gain;  // pairs for one of TileKernels of the same set, in many dimensions; measured, but for AMX's, a prototype's

    // Around all screening of rows of so many words, in the same thread, with nothing between them that may use tiles, too. Null
    // where nothing is to be prepared.
    void (*begin)(size_t words);
    void (*end)();

    // Makes a panel from one of floats, laid out [k][lane], with the scales, and per lane the sums of the squares of x - scale
    // * X and of scale * X, in float32.
    void (*quantise)(const float* floats, size_t d, void* codes, float* scale, float* residual, float* length);

    // value(i, j) = bias[j] + factor[i] * scale[j] * X_i . X_j, the sum in int32, or in float32 in no stated order, where what is
    // subnormal may be lost. Writes the pairs with
    //   value <= high[i] + blur(i, j),   blur(i, j) = length[i] * panel.residual[j] + residual[i] * panel.length[j],
    // as TileKernels::screen does.
    size_t (*screen)(const QuantisedQueries& queries, size_t groups, const QuantisedPanel& panel, size_t words, Hit* hits);

    // The same for rows and columns at once: value - blur <= high[i] or value - blur + shift[i] <= column_high[j].
    size_t (*screen_both)(const QuantisedQueries& queries, size_t groups, const QuantisedPanel& panel,
                          const float* column_high, size_t words, Hit* hits);

    // For the benchmark, as of TileKernels: the unit of these products alone, and the sums of `screen` in one exclusive or.
    double (*peak)(size_t steps, int32_t* sink);
    uint32_t (*products)(const QuantisedQueries& queries, size_t groups, const QuantisedPanel& panel, size_t words);
};

// Packed codes (code_tile.hpp). A group is `rows` queries, prepared by `prepare` into `query` bytes for each byte of a code; a
// panel is `lanes` codes, packed by `pack` into `panel` bytes for each byte of a code.
struct CodeKernels {
    const char* name;
    size_t rows, lanes, query, panel;
    void (*prepare)(const uint8_t* const* rows, size_t bytes, uint8_t* prepared);
    void (*pack)(const uint8_t* const* rows, size_t bytes, uint8_t* panel);

    // Writes the pairs whose distance in bits is less than stop[i], in the order of the lanes for each i, and returns their
    // number. `stop` has groups * rows entries, hits has room for as many times `lanes`, and two more.
    size_t (*screen)(const uint8_t* queries, size_t groups, const uint8_t* panel, size_t bytes, const uint32_t* stop,
                     CodeHit* hits);

    // out[i][j] = the distance, for i < n and j < m <= lanes.
    void (*dense)(const uint8_t* queries, size_t n, const uint8_t* panel, size_t bytes, int32_t* out, size_t stride, size_t m);

    // For few queries, straight from unpacked rows `stride` bytes apart: the rows nearer than `stop`, as lanes of row 0. hits
    // has room for `count`, at most 65,536.
    size_t (*few)(const uint8_t* query, const uint8_t* rows, ptrdiff_t stride, size_t count, size_t bytes, uint32_t stop,
                  CodeHit* hits);

    // The distance of two codes.
    uint32_t (*hamming)(const uint8_t* a, const uint8_t* b, size_t bytes);

    // For the benchmark, as of TileKernels: what counts bits, alone (the bits done), and the distances of `screen`, or 255
    // beyond it, in one exclusive or.
    double (*peak)(size_t steps, uint8_t* sink);
    uint32_t (*products)(const uint8_t* queries, size_t groups, const uint8_t* panel, size_t bytes);
};

// The canonical sums: float64, eight fixed lanes (k modulo 8), then ((0+1)+(2+3))+((4+5)+(6+7)); nothing is contracted, so
// every table returns the same bits.
struct CanonicalKernels {
    const char* name;
    double (*sqeuclidean)(const float* a, const float* b, size_t d);
    double (*scaled_sqeuclidean)(const float* a, double scale_a, const float* b, double scale_b, size_t d);
    double (*dot)(const float* a, const float* b, size_t d);

    // The same sums, to the bit, of one row with many: a is the row as float64 (times its scale for the second), followed by
    // zeros up to a multiple of 8. Four rows share each load of it: a third of the time of one call a row.
    void (*sqeuclidean_rows)(const double* a, const float* const* rows, size_t count, size_t d, double* out);
    void (*scaled_sqeuclidean_rows)(const double* a, const float* const* rows, const double* scales, size_t count, size_t d,
                                    double* out);
    void (*dot_rows)(const double* a, const float* const* rows, size_t count, size_t d, double* out);
};

// What one call of the engine works with: a table of each family.
struct Kernels {
    const TileKernels& tile;
    const FewKernels& few;
    const QuantisedKernels& int8;
    const QuantisedKernels& bf16;
    const CodeKernels& codes;
    const CanonicalKernels& canonical;
};

}  // namespace hardmine
