// The screen for many queries: packed queries times packed panels of base rows (kernels.hpp), intervals from frame.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/frame.hpp"
#include "screens/placing.hpp"
#include "screens/screen.hpp"

namespace hardmine {

class PanelScreen {
  public:
    static constexpr bool kHasFloor = true, kBothSides = true;

    static constexpr std::size_t kBlockBytes = 256 << 10;  // of packed base rows: a quarter of a common L2
    static constexpr std::size_t kQueryTile = 96;          // queries that pass over a panel while it is in L1

    static constexpr double kLeastSquare = 0x1p-120;
    static constexpr std::size_t kMostRows = 8192;  // of a block, in a few dimensions

    static std::size_t most_rows(const TileKernels& kernels, std::size_t d) {
        const std::size_t panels = kBlockBytes / (kernels.lanes * d * sizeof(float));
        return std::clamp<std::size_t>(panels, 1, kMostRows / kernels.lanes) * kernels.lanes;
    }
    static std::size_t bytes_per_query(std::size_t d) { return d * sizeof(float) + 3 * sizeof(double) + 5 * sizeof(float); }
    // Beside the queries: a block, the queries that fill up a group, and hits.
    static std::size_t bytes(const TileKernels& kernels, std::size_t d) {
        return most_rows(kernels, d) * ((d + 5) * sizeof(float) + sizeof(double)) + kernels.rows * bytes_per_query(d) +
               most_hits(kernels) * sizeof(Hit);
    }

    PanelScreen(const TileKernels& kernels, const Frame& frame, const Canonical& canonical, std::size_t most_queries)
        : kernels_(kernels), frame_(frame), placing_(kernels, frame, canonical), most_rows_(most_rows(kernels, frame.d)) {
        if (most_queries == 0) return;  // never used
        const std::size_t padded = (most_queries + kernels.rows - 1) / kernels.rows * kernels.rows;
        queries_.resize(padded * frame.d);
        row_.resize(padded);
        query_slack_.resize(padded);
        low_.resize(padded);
        high_.resize(padded);
        shift_.resize(padded);
        row_bias_.resize(padded);
        row_doubt_.resize(padded);
        panels_.resize(most_rows_ * frame.d);
        bias_.resize(most_rows_);
        lower_.resize(most_rows_);
        slack_.resize(most_rows_);
        column_high_.resize(most_rows_);
        doubt_.resize(most_rows_);
        placed_.resize(kernels.lanes);
        factor_.resize(most_rows_);
        query_factor_.resize(padded);
        hits_.resize(most_hits(kernels));
    }

    std::size_t most_rows() const { return most_rows_; }

    void load_queries(const Rows<float>& queries, const Selection& ids) {
        n_ = ids.count;
        groups_ = (n_ + kernels_.rows - 1) / kernels_.rows;
        std::fill(queries_.begin(), queries_.end(), 0.0f);
        for (std::size_t i = 0; i < groups_ * kernels_.rows; ++i) {
            low_[i] = high_[i] = -kInfinity;
            shift_[i] = kInfinity;
            if (i < n_) load_query(queries[ids[i]], i);
        }
    }

    // Packs a block of base rows. Returns false if one of them is not finite.
    bool load_block(const Rows<float>& base, const Selection& ids) {
        m_ = ids.count;
        most_slack_ = 0;
        bool all_finite = true;
        for (std::size_t first = 0; first < m_; first += kernels_.lanes) {
            all_finite &= placing_.panel(base, ids, first, &panels_[first * frame_.d], placed_.data());
            for (std::size_t j = 0; j < kernels_.lanes; ++j) load_row(placed_[j], first + j);
        }
        for (std::size_t j = 0; j < m_; ++j) most_slack_ = std::max(most_slack_, slack_[j]);
        return all_finite;
    }

    // Pairs of query i farther than `bound` need not be reported, nor those no farther than `farther`.
    void set_bound(std::size_t i, float bound) {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        const double v = frame_.value(next) - row_[i] + query_slack_[i];
        high_[i] = above(v);
    }
    // No pair of query i need be reported, not even those whose intervals are the whole line.
    void ignore(std::size_t i) { high_[i] = std::numeric_limits<float>::quiet_NaN(); }
    // A pair of the block farther than this is certainly not reported.
    float reach(std::size_t i, float bound) const {
        const double v = frame_.value(bound) + 2 * (query_slack_[i] + static_cast<double>(most_slack_));
        return std::isnan(v) ? kInfinity : std::nextafter(frame_.distance(v), kInfinity);
    }
    void set_floor(std::size_t i, float farther) {
        const double v = frame_.value(farther) - row_[i] - query_slack_[i] - 2 * static_cast<double>(most_slack_);
        low_[i] = std::isnan(v) ? -kInfinity : below(v);
    }

    // Base row j of the block, too, wants the pairs no farther than `bound`: for scan_both().
    void set_column_bound(std::size_t j, float bound) {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        column_high_[j] = above(frame_.value(next));
    }

    // Calls offer(i, j, lower, upper) for the pairs of the block that the bounds let through, of the queries from `from` on.
    template <class Offer>
    void scan(Offer&& offer, std::size_t from = 0) {
        visit_hits(from, offer, [&](std::size_t row, std::size_t groups, std::size_t first) {
            return kernels_.screen(&queries_[row * frame_.d], groups, &panels_[first * frame_.d], &lower_[first], frame_.d,
                                   &low_[row], &high_[row], hits_.data());
        });
    }

    // The same for those that the bound of either side lets through; the floor is not looked at.
    template <class Offer>
    void scan_both(Offer&& offer, std::size_t from = 0) {
        visit_hits(from, offer, [&](std::size_t row, std::size_t groups, std::size_t first) {
            return kernels_.screen_both(&queries_[row * frame_.d], groups, &panels_[first * frame_.d], &lower_[first],
                                        frame_.d, &high_[row], &shift_[row], &column_high_[first], hits_.data());
        });
    }

    // Writes the distances of all queries to the block at out[i * stride + j], and calls doubt(i, hits) for those whose error
    // bound exceeds relative() of their value: `hits` are some of query i, with lanes as rows of the block.
    template <class Doubt>
    void write(float* out, std::size_t stride, Doubt&& doubt) {
        const std::size_t tile = kQueryTile / kernels_.rows * kernels_.rows;
        const float floor = frame_.inner_product() ? -kInfinity : 0.0f;
        float unit[2];
        two_units(unit);
        for (std::size_t row = 0; row < n_; row += tile)
            for (std::size_t first = 0; first < m_; first += kernels_.lanes) {
                const std::size_t found = kernels_.dense(
                    &queries_[row * frame_.d], std::min(tile, n_ - row), &panels_[first * frame_.d], &bias_[first], frame_.d,
                    &row_bias_[row], &row_doubt_[row], &doubt_[first], floor, unit, frame_.root(), out + row * stride + first,
                    stride, std::min(kernels_.lanes, m_ - first), hits_.data());
                for (std::size_t at = 0, last; at < found; at = last) {
                    std::size_t count = 0;
                    for (last = at; last < found && hits_[last].row == hits_[at].row; ++last)
                        if (first + hits_[last].lane < m_)
                            hits_[at + count++] = {hits_[at].row, static_cast<std::uint32_t>(first) + hits_[last].lane, 0};
                    doubt(row + hits_[at].row, std::span<const Hit>(&hits_[at], count));
                }
            }
    }

    // Canonical::factor of a query and of a row of the block.
    double query_factor(std::size_t i) const { return query_factor_[i]; }
    double factor(std::size_t j) const { return factor_[j]; }

    // The relative error that pairwise accepts: 2^-10, but four times that of a sum in so many dimensions (4,000) that this is
    // more.
    static double relative(const Frame& frame) { return std::max(0x1p-10, 4 * frame.chain); }

  private:
    static std::size_t most_hits(const TileKernels& kernels) {
        return (kQueryTile / kernels.rows + 1) * kernels.rows * kernels.lanes;
    }

    template <class Offer, class Screen>
    void visit_hits(std::size_t from, Offer&& offer, Screen&& screen) {
        const std::size_t tile = kQueryTile / kernels_.rows;
        for (std::size_t g = from / kernels_.rows; g < groups_; g += tile)
            for (std::size_t first = 0; first < m_; first += kernels_.lanes) {
                const std::size_t row = g * kernels_.rows, found = screen(row, std::min(tile, groups_ - g), first);
                for (const Hit& hit : std::span(hits_.data(), found)) {
                    const std::size_t i = row + hit.row, j = first + hit.lane;
                    if (i < from || i >= n_ || j >= m_) continue;
                    const double value = static_cast<double>(hit.value) + row_[i], slack = static_cast<double>(slack_[j]);
                    const double upper = value + query_slack_[i] + 2 * slack;
                    offer(i, j, frame_.distance(value - query_slack_[i]),
                          std::isnan(upper) ? kInfinity : frame_.distance(upper));
                }
            }
    }

    // The unit of the distances, or its root, as two factors that float32 holds: of about the same size, so that neither
    // leaves float32 where the result does not.
    void two_units(float* unit) const {
        const int power = std::ilogb(frame_.unit()) / (frame_.root() ? 2 : 1);  // all units are powers of two
        unit[0] = std::ldexp(1.0f, power / 2);
        unit[1] = std::ldexp(1.0f, power - power / 2);
    }

    // The value below which a pair of such a slack is doubtful: a row of zeros always is, since its distances are 1 and no
    // less.
    float doubtful(double slack) const {
        if (!std::isfinite(slack)) return kInfinity;
        if (!frame_.inner_product()) return static_cast<float>(slack / relative(frame_));
        return slack * frame_.unit() < 0x1p126 ? -0x1p126f : kInfinity;  // an error that leaves float32 would make it infinite
    }

    // Packs query i; what depends on its slack is set for the two kinds of kernel, scan and write.
    void load_query(const float* q, std::size_t i) {
        const bool ip = frame_.inner_product();
        float* packed = &queries_[i / kernels_.rows * kernels_.rows * frame_.d + i % kernels_.rows];
        const PlacedQuery placed =
            placing_.query(q, [&](std::size_t k, float x) { packed[k * kernels_.rows] = (ip ? -1.0f : -2.0f) * x; });
        query_factor_[i] = placed.factor;
        row_[i] = placed.row;
        query_slack_[i] = placed.slack;
        shift_[i] = below(row_[i] - query_slack_[i]);
        row_bias_[i] = static_cast<float>(row_[i]);
        const bool lost = ip && placed.square < kLeastSquare;  // digits of the query, to underflow
        row_doubt_[i] = doubtful(placed.factor == 0 || lost ? kInfinity : query_slack_[i]);
    }

    void load_row(const PlacedRow& placed, std::size_t j) {
        factor_[j] = placed.factor;
        bias_[j] = static_cast<float>(placed.bias);
        slack_[j] = above(placed.slack);
        lower_[j] = below(placed.bias - placed.slack);
        doubt_[j] = doubtful(placed.zero ? kInfinity : placed.slack);
    }

    const TileKernels& kernels_;
    const Frame& frame_;
    Placing placing_;
    std::size_t most_rows_, n_ = 0, groups_ = 0, m_ = 0;
    std::vector<float> queries_;                                              // groups of kernels.rows queries, [k][row]
    std::vector<double> row_, query_slack_, query_factor_;                    // per query
    std::vector<float> low_, high_, shift_, row_bias_, row_doubt_;            // per query, in the space of the kernel's values
    std::vector<float> panels_, bias_, lower_, slack_, column_high_, doubt_;  // per base row of the block
    float most_slack_ = 0;
    std::vector<PlacedRow> placed_;
    std::vector<double> factor_;  // per base row of the block
    std::vector<Hit> hits_;
};

}  // namespace hardmine
