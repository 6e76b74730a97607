// Rows moved into the frame (frame.hpp): what every screen that works there begins with.
//
// A row that float32 cannot represent in the frame is placed as zeros with an infinite slack: its pairs always pass, and the
// canonical distance decides them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/frame.hpp"
#include "terms/finite.hpp"

namespace hardmine {

struct PlacedQuery {
    double factor;      // Canonical::factor
    double square;      // of its norm
    double row, slack;  // row(i) and slack_q of frame.hpp
};

struct PlacedRow {
    double factor, square, bias, slack;
    bool zero;  // of cosine: without a direction
};

class Placing {
  public:
    Placing(const TileKernels& kernels, const Frame& frame, const Canonical& canonical)
        : kernels_(kernels),
          frame_(frame),
          canonical_(canonical),
          rows_(kernels.lanes),
          factors_(kernels.lanes),
          squares_(kernels.lanes) {}

    // put(k, x) takes component k of a query; zeros follow where it turns out not to be representable.
    template <class Put>
    PlacedQuery query(const float* q, Put&& put) const {
        const bool ip = frame_.inner_product();
        const double factor = canonical_.factor(q);
        double square = 0, along_origin = 0;
        for (std::size_t k = 0; k < frame_.d; ++k) {
            const float x = placed(q[k], factor, k);
            square += static_cast<double>(x) * static_cast<double>(x);
            if (ip) along_origin += static_cast<double>(x) * static_cast<double>(frame_.origin[k]);
            put(k, x);
        }
        const double weight = square + (frame_.cosine() && factor == 0 ? 1 : 0);
        if (square < frame_.largest_square) return {factor, square, ip ? -along_origin : weight, frame_.query_slack(weight)};
        for (std::size_t k = 0; k < frame_.d; ++k) put(k, 0.0f);
        return {factor, square, 0, kNoLimit};
    }

    // Packs rows [first, first + lanes) of a block into a panel, which is filled up with the last row, and tells of each.
    // Returns false if a row is not finite.
    bool panel(const Rows<float>& base, const Selection& ids, std::size_t first, float* panel, PlacedRow* placed) {
        const std::size_t lanes = kernels_.lanes;
        for (std::size_t j = 0; j < lanes; ++j) {
            rows_[j] = base[ids[std::min(first + j, ids.count - 1)]];
            factors_[j] = canonical_.factor(rows_[j]);
        }
        if (frame_.cosine())
            kernels_.pack_unit(rows_.data(), factors_.data(), frame_.unit_origin.data(), frame_.d, panel, squares_.data());
        else
            kernels_.pack(rows_.data(), static_cast<float>(frame_.base_scale), frame_.origin.data(), frame_.d, panel,
                          squares_.data());
        bool all_finite = true;
        for (std::size_t j = 0; j < lanes; ++j) {
            const auto square = static_cast<double>(squares_[j]);
            const bool zero = frame_.cosine() && factors_[j] == 0, representable = square < frame_.largest_square;
            if ((zero || !representable) && !finite(rows_[j], frame_.d)) all_finite = false;
            const double weight = square + (zero ? 1 : 0);
            placed[j] = {factors_[j], square, frame_.inner_product() ? 0 : weight, frame_.base_slack(weight), zero};
            if (representable) continue;
            for (std::size_t k = 0; k < frame_.d; ++k) panel[k * lanes + j] = 0;
            placed[j].bias = 0;
            placed[j].slack = kNoLimit;
        }
        return all_finite;
    }

  private:
    static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

    // Component k of a query in the frame.
    float placed(float x, double factor, std::size_t k) const {
        if (frame_.cosine()) return static_cast<float>(static_cast<double>(x) * factor - frame_.unit_origin[k]);
        return x * static_cast<float>(frame_.query_scale) - (frame_.inner_product() ? 0.0f : frame_.origin[k]);
    }

    const TileKernels& kernels_;
    const Frame& frame_;
    const Canonical& canonical_;
    std::vector<const float*> rows_;
    std::vector<double> factors_;
    std::vector<float> squares_;
};

}  // namespace hardmine
