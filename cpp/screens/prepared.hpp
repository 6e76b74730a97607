// A base that is packed before it is searched: the panels of all its rows, in their order, and the frame that they are in,
// which depends on the base alone (the queries of each search are moved into it).
//
// Of one instruction set: kernels with other panels pack rows for themselves. The rows are not kept here.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.hpp"
#include "screens/formats.hpp"
#include "screens/frame.hpp"
#include "screens/quantised_rows.hpp"

namespace hardmine {

class PreparedRows {
  public:
    PreparedRows(const Kernels& kernels, Metric metric, const Rows<float>& rows)
        : count_(rows.count),
          lanes_(kernels.int8.lanes),
          offset_(kernels.int8.offset),
          frame_(base_frame(metric, Canonical(kernels.canonical, metric, rows.width), rows, {nullptr, 0, rows.count})) {
        if (Int8::serves(frame_))
            rows_.resize((rows.count + lanes_ - 1) / lanes_ * lanes_, QuantisedLayout(kernels.int8, rows.width));
    }

    std::size_t count() const { return count_; }
    const Frame& frame() const { return frame_; }
    std::size_t bytes() const { return rows_.bytes(); }

    // What packs, panel by panel, fills.
    QuantisedRows& rows() { return rows_; }

    // Whether a search with these kernels can read its panels.
    bool fits(const QuantisedKernels& kernels) const {
        return rows_.count() && kernels.lanes == lanes_ && kernels.offset == offset_ &&
               QuantisedLayout(kernels, frame_.d).bytes() == rows_.width();
    }
    // Whether a block of rows is one of whole panels, but for the last one; then from(ids.first) are those.
    bool holds(const Selection& ids) const { return !ids.ids && ids.first % lanes_ == 0; }
    QuantisedView from(std::size_t first) const { return rows_.from(first); }

  private:
    std::size_t count_, lanes_;
    std::int32_t offset_;
    Frame frame_;
    QuantisedRows rows_;
};

}  // namespace hardmine
