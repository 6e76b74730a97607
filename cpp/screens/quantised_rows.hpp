// Base rows as a coarse screen reads them (quantised_screen.hpp has the bound): panels in fewer bits, and six numbers of each row.
// Those of a block, packed for one task, or all of a prepared base (prepared.hpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/aligned.hpp"
#include "screens/frame.hpp"
#include "screens/placing.hpp"
#include "screens/quantised_layout.hpp"
#include "screens/second_look.hpp"

namespace hardmine {

// Panels that follow one another, wherever they are kept.
struct QuantisedView {
    const std::uint8_t* codes;                      // bytes, whatever they hold
    const float *scale, *bias, *residual, *length;  // of QuantisedPanel
    const float *norm, *multiplier;                 // of SecondLook
};

class QuantisedRows {
  public:
    static std::size_t bytes_per_row(const QuantisedLayout& layout) { return layout.bytes() + 6 * sizeof(float); }

    // Room for `count` rows, of whole panels.
    void resize(std::size_t count, const QuantisedLayout& layout) {
        width_ = layout.bytes();
        codes_.resize(count * width_);
        for (auto* numbers : {&scale_, &bias_, &residual_, &length_, &norm_, &multiplier_}) numbers->resize(count);
    }

    std::size_t count() const { return scale_.size(); }
    std::size_t width() const { return width_; }
    std::size_t bytes() const { return count() * (width_ + 6 * sizeof(float)); }

    // The panels from row `first` on.
    QuantisedView from(std::size_t first) const {
        return {&codes_[first * width_], &scale_[first], &bias_[first],      &residual_[first],
                &length_[first],         &norm_[first],  &multiplier_[first]};
    }

  private:
    friend class QuantisedPacking;

    std::size_t width_ = 0;
    AlignedVector<std::uint8_t> codes_;
    AlignedVector<float> scale_, bias_, residual_, length_, norm_, multiplier_;
};

// Makes panels; each thread has one.
class QuantisedPacking {
  public:
    static constexpr double kWider = 2;  // the slacks of the frame, times this

    static std::size_t bytes(const QuantisedKernels& kernels, std::size_t d) {
        return kernels.lanes * (d * sizeof(float) + sizeof(PlacedRow));
    }

    // One that is not `used` only has a Placing.
    QuantisedPacking(const QuantisedKernels& kernels, const TileKernels& tile, const Frame& frame, const Canonical& canonical,
                     bool used)
        : kernels_(kernels),
          frame_(frame),
          placing_(tile, frame, canonical),
          floats_(used ? kernels.lanes * frame.d : 0),
          placed_(used ? kernels.lanes : 0) {}

    const Placing& placing() const { return placing_; }

    // The selected rows from `first` on, a whole panel of them, which is filled up with the last one, as rows `first` ... of
    // `to`. Returns false if one of them is not finite.
    bool panel(const Rows<float>& base, const Selection& ids, std::size_t first, QuantisedRows& to) {
        const double more = 1 + frame_.chain, tiny = std::sqrt(static_cast<double>(frame_.d)) * 0x1p-70;
        const bool all_finite = placing_.panel(base, ids, first, floats_.data(), placed_.data());
        kernels_.quantise(floats_.data(), frame_.d, &to.codes_[first * to.width_], &to.scale_[first], &to.residual_[first],
                          &to.length_[first]);
        for (std::size_t l = 0; l < kernels_.lanes; ++l) {
            const std::size_t j = first + l;
            const PlacedRow& placed = placed_[l];
            const double length = std::sqrt(static_cast<double>(to.length_[j])) * more + tiny;
            const double rest = std::sqrt(static_cast<double>(to.residual_[j])) * more + tiny + 0x1p-22 * length;
            const double slack = kWider * frame_.base_slack(placed.square + (placed.zero ? 1 : 0) + length * length);
            to.length_[j] = above(length);
            to.residual_[j] = above(rest);
            const float rounded = placed.slack < kInfinity ? above(slack) : kInfinity;
            to.bias_[j] = below(placed.bias - static_cast<double>(rounded));
            to.norm_[j] = SecondLook::norm(frame_, placed.square);
            to.multiplier_[j] = SecondLook::multiplier(frame_, placed.factor, frame_.base_scale);
        }
        return all_finite;
    }

  private:
    const QuantisedKernels& kernels_;
    const Frame& frame_;
    Placing placing_;
    std::vector<float> floats_;
    std::vector<PlacedRow> placed_;
};

}  // namespace hardmine
