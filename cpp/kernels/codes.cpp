// The kernels for packed codes.
#include "code_tile.hpp"
#include "few_codes.hpp"
#include "kernels.hpp"

namespace hardmine {
namespace HM_ISA {

extern const CodeKernels codes;
constexpr CodeKernels codes = {
    .name = HM_NAME,
    .rows = kCodeRows,
    .lanes = kCodeLanes,
    .query = kTileByte,
    .panel = kPanelByte,
    .prepare = prepare_codes,
    .pack = pack_codes,
    .screen = screen_codes,
    .dense = dense_codes,
    .few = few_codes,
    .hamming = hamming,
    .peak = peak_codes,
    .products = products_of_codes,
};

}  // namespace HM_ISA
}  // namespace hardmine
