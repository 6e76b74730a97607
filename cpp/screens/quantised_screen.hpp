// A coarse screen for many queries: rows of the frame in fewer bits (formats.hpp), whose products cost a part of those of floats.
// What it lets through is looked at again before it is reported (second_look.hpp).
//
// The bound. A row x' of the frame is s X + r; n = |s X|, p = |r|. For int8 X is whole, |X_k| <= 127, and s > 0 a float32; for
// bfloat16 s = 1. With S what the sum of the products X_q . X_b becomes,
//   q' . b' = s_q s_b X_q . X_b + r_q . (s_b X_b) + q' . r_b,    so that by Cauchy-Schwarz
//   |q' . b' - s_q s_b X_q . X_b|  <=  p_q n_b + N_q p_b.
// In the values of frame.hpp, where f is 2, or 1 for inner products, the pair is let through if
//   K(i, j) <= high(i) + blur(i),     K(i, j) = L(j) - f s_q s_b S,     blur(i, j) = f (N_q p_b + p_q n_b),
// first with the largest p and n of a panel, which cost a number for each query and panel instead of two a pair.
//
// Roundings. Those of packing (lines 1, 5, 6 of frame.hpp) stay. n and p are at least what the bound means by them: sums of
// squares are known up to g(d), which (1 + e) makes good, e = g(d + 16) of frame.hpp; the rest x' - s X up to u (n + p), for
// which 4 u n is added (of bfloat16 it is exact); what underflows in its squares up to 2^-70 sqrt(d), which is added, too. Then,
// with all of N, n, p of both rows:
//   1. The sum of int8 is exact, and becomes a float32 (u). It is multiplied by s_b (u) and by the query's factor, exactly f s_q,
//      and added to L, in one rounding or two: less than 4.1 u f n_q n_b + 1.1 u |L|.
//   2. high + blur, or K - blur: 3 u of blur, u of the result. As p <= N + n, f = 2:
//      blur <= 3 N_q^2 + n_q^2 + N_b^2 + 3 n_b^2. The result matters only while it is below twice M, the largest |K|,
//      M <= |L| + f n_q n_b. (Where columns are screened the sum K - blur + shift is compared with a float32, and rounding
//      keeps their order.)
//   3. L is the float32 below bias - slack_b; bias is a sum over four chains, g(d/4 + 4) N_b^2.
// Distances: together 14 u (N_q^2 + n_q^2) and (d/4 + 20) u (W_b + n_b^2); the slacks of frame.hpp, of W + n^2 in place of W,
// are at least 17 u and 3 (d + 16) u of them. Inner products, where f = 1 halves all of it: 5.1 u and 7.7 u, of h/2 >= 8.5 u.
// The screen takes twice these slacks. An underflow (of s_b times the sum: 2^-150 times f s_q) is less than c and e N_q^2.
//
// The sum of bfloat16 is one of float32, which what the screen takes twice pays for:
//   4. Products of two bfloat16 have 16 digits, exact in float32 unless they underflow. However their sum is put together, fused
//      or not, a product takes part in at most d additions that round (zeros do not): |S - X_q . X_b| <= g(d) n_q n_b, times f.
//      Distances: g(d) (n_q^2 + n_b^2). Beside the 14 u and (d/4 + 20) u above and the 4.1 u (N_q^2 + N_b^2) of packing these are
//      (d + 19) u (1 + e) and (5 d/4 + 25) u (1 + e) of W + n^2, of (2 d + 32) u and (6 d + 96) u. Inner products:
//      g(d)/2 (n_q^2 + n_b^2), together (d/2 + 6) u (1 + e) and (d/2 + 9) u (1 + e), of (d + 16) u on either side.
//   5. Underflow. Where subnormal numbers are taken as zero, a product and each of d sums, before or after it is rounded, lose
//      less than 2^-126: f 2 d 2^-126 (1 + g(d)) < d 2^-123, which the query pays. (X has none: then p has them.)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/aligned.hpp"
#include "screens/formats.hpp"
#include "screens/frame.hpp"
#include "screens/placing.hpp"
#include "screens/prepared.hpp"
#include "screens/quantised_layout.hpp"
#include "screens/quantised_rows.hpp"
#include "screens/screen.hpp"
#include "screens/second_look.hpp"

namespace hardmine {

template <class Format>
class QuantisedScreen {
  public:
    static constexpr bool kHasFloor = false, kBothSides = true;

    static constexpr std::size_t kBlockNumbers = 128 << 10;  // of a block
    static constexpr std::size_t kMostRows = 2048;           // of a block
    // What the second look at a pair costs, in multiply-adds of floats of 64-byte vectors: a fixed sum, and so many for each
    // dimension. It waits for memory meanwhile, and shorter vectors would multiply less.
    static constexpr double kLook = 4000, kLookPerDimension = 8;
    // Few queries wait for memory: a row that they need not read saves them, at 128 dimensions, about a third of a look. One in
    // six is on the safe side.
    static constexpr std::size_t kFewQueries = 8;
    static constexpr double kLeastPairsOfFew = 6;

    static std::size_t most_rows(const QuantisedKernels& kernels, std::size_t d) {
        const std::size_t panels = kBlockNumbers / (kernels.lanes * QuantisedLayout(kernels, d).width());
        return std::clamp<std::size_t>(panels, 1, kMostRows / kernels.lanes) * kernels.lanes;
    }
    static std::size_t bytes_per_query(const QuantisedKernels& kernels, std::size_t d) {
        return QuantisedLayout(kernels, d).bytes() + 5 * sizeof(float) + sizeof(std::int32_t) + 2 * sizeof(double) +
               SecondLook::bytes_per_query();
    }
    static std::size_t bytes(const QuantisedKernels& kernels, std::size_t d) {
        const std::size_t rows = most_rows(kernels, d);
        return rows * (QuantisedRows::bytes_per_row(QuantisedLayout(kernels, d)) + sizeof(float)) +
               QuantisedPacking::bytes(kernels, d) + d * sizeof(float) + kernels.rows * bytes_per_query(kernels, d) +
               (most_hits(kernels, rows) + room(kernels)) * sizeof(Hit);
    }

    // `prepared` are all rows of the base, in the frame, and their panels those of the kernels; or null.
    QuantisedScreen(const QuantisedKernels& kernels, const FewKernels& few, const TileKernels& tile, const Frame& frame,
                    const Canonical& canonical, std::size_t most_queries, bool forced = false,
                    const PreparedRows* prepared = nullptr)
        : kernels_(kernels),
          frame_(frame),
          prepared_(prepared),
          packing_(kernels, tile, frame, canonical, most_queries > 0),
          layout_(kernels, frame.d),
          look_((kLook + kLookPerDimension * static_cast<double>(frame.d)) * static_cast<double>(tile.lanes) / 32),
          forced_(forced),
          few_(prepared && most_queries <= kFewQueries),
          most_rows_(most_rows(kernels, frame.d)),
          second_(few, frame, padded_queries(kernels, most_queries)) {
        if (most_queries == 0) return;  // never used
        otherwise(static_cast<double>(frame.d));
        const std::size_t queries = padded_queries(kernels, most_queries);
        codes_.resize(queries * layout_.width());
        for (auto* numbers : {&factor_, &query_length_, &query_residual_, &high_, &shift_}) numbers->resize(queries);
        start_.resize(queries);
        for (auto* numbers : {&row_, &query_slack_}) numbers->resize(queries);
        place_.resize(frame.d);
        packed_.resize(most_rows_, layout_);
        column_high_.resize(most_rows_);
        hits_.resize((forced ? kLeastPairs : 1) * most_hits(kernels, most_rows_) + room(kernels));
    }

    std::size_t most_rows() const { return most_rows_; }

    void load_queries(const Rows<float>& queries, const Selection& ids) {
        n_ = ids.count;
        groups_ = (n_ + kernels_.rows - 1) / kernels_.rows;
        std::fill_n(codes_.begin(), groups_ * kernels_.rows * layout_.width(), Code{0});
        for (std::size_t i = 0; i < groups_ * kernels_.rows; ++i) {
            high_[i] = -kInfinity;
            shift_[i] = kInfinity;
            factor_[i] = query_length_[i] = query_residual_[i] = 0;
            start_[i] = 0;
            if (i < n_) load_query(queries[ids[i]], i);
        }
    }

    // Packs a block of base rows, or finds its panels prepared. Returns false if one of them is not finite.
    bool load_block(const Rows<float>& base, const Selection& ids) {
        m_ = ids.count;
        looked_at_ = 0;
        bool all_finite = true;
        found_prepared_ = prepared_ && prepared_->holds(ids);
        for (std::size_t first = 0; first < m_ && !found_prepared_; first += kernels_.lanes)
            all_finite &= packing_.panel(base, ids, first, packed_);
        rows_ = found_prepared_ ? prepared_->from(ids.first) : packed_.from(0);
        second_.set_block(base, ids, rows_.norm, rows_.multiplier);
        return all_finite;
    }

    // Pairs of query i farther than `bound` need not be reported.
    void set_bound(std::size_t i, float bound) {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        high_[i] = above(frame_.value(next) - row_[i] + query_slack_[i]);
    }
    void ignore(std::size_t i) { high_[i] = std::numeric_limits<float>::quiet_NaN(); }
    // About where the second look ends.
    float reach(std::size_t i, float bound) const {
        const double v = frame_.value(bound) + query_slack_[i];
        return std::isnan(v) ? kInfinity : std::nextafter(frame_.distance(v), kInfinity);
    }
    void set_column_bound(std::size_t j, float bound) {
        const double next = bound < kInfinity ? std::nextafter(bound, kInfinity) : kInfinity;
        column_high_[j] = above(frame_.value(next));
    }

    // Before the first block of a task.
    void start() { waiting_ = blocks_ = 0, wait_ = 1; }

    // What a pair costs in multiply-adds of floats: if so many of the pairs are looked at; and by another screen, which tells how
    // many may be until that one is quicker. Of floats that is the number of dimensions.
    double cost(double looked_at) const { return products() + look() * looked_at; }
    void otherwise(double cost) {
        const double saved = cost - products();
        least_pairs_ = forced_     ? 1
                       : few_      ? kLeastPairsOfFew
                       : saved > 0 ? std::max(look() / saved, kLeastPairs * 1.0)
                                   : kInfinity;
    }
    // The next block is worth a try.
    void retry() { waiting_ = 0; }

    // Whether a block is worth a try where a float32 screen has such a share of the pairs to report: this one, which lets some
    // three times as many through, may have too many to look at. For few queries a try is cheap, and their float32 screen,
    // which knows no origin, says little of this one.
    bool pays(double share) const { return forced_ || (few_ ? share < 1 : Format::kThrough * share * least_pairs_ <= 1); }
    // Whether the next block is: not soon after one that was given up.
    bool tries(double share) {
        ++blocks_;
        if (waiting_ > 0) --waiting_;
        return (forced_ || waiting_ == 0) && ((few_ && blocks_ > 1) || pays(share));
    }

    bool found_prepared() const { return found_prepared_; }
    // Pairs looked at since the block was loaded.
    std::size_t looked_at() const { return looked_at_; }

    // Calls offer(i, j, lower, upper) for the pairs of the block that the bounds let through and wanted(i, j, lower) is true
    // of. Returns the first query that it has not begun with: of the tile from there on too many pairs would have to be looked
    // at.
    template <class Wanted, class Offer>
    std::size_t scan(Wanted&& wanted, Offer&& offer) {
        return visit(wanted, offer,
                     [&](const QuantisedQueries& queries, std::size_t groups, const QuantisedPanel& panel, std::size_t,
                         Hit* hits) { return kernels_.screen(queries, groups, panel, layout_.words, hits); });
    }
    template <class Wanted, class Offer>
    std::size_t scan_both(Wanted&& wanted, Offer&& offer) {
        return visit(wanted, offer,
                     [&](const QuantisedQueries& queries, std::size_t groups, const QuantisedPanel& panel, std::size_t first,
                         Hit* hits) {
                         return kernels_.screen_both(queries, groups, panel, &column_high_[first], layout_.words, hits);
                     });
    }

  private:
    using Code = typename Format::Code;

    static constexpr std::size_t kLeastPairs = 16;    // for one that is looked at
    static constexpr std::size_t kPassedPerLook = 8;  // what the bounds let through costs an eighth of a look

    double products() const { return static_cast<double>(frame_.d) / static_cast<double>(kernels_.gain); }
    double look() const { return look_; }

    static std::size_t padded_queries(const QuantisedKernels& kernels, std::size_t queries) {
        return (queries + kernels.rows - 1) / kernels.rows * kernels.rows;
    }
    static std::size_t most_hits(const QuantisedKernels& kernels, std::size_t rows) {
        return kernels.groups * kernels.rows * rows / kLeastPairs;
    }
    static std::size_t room(const QuantisedKernels& kernels) { return kernels.groups * kernels.rows * kernels.lanes; }

    void load_query(const float* q, std::size_t i) {
        const PlacedQuery placed = packing_.placing().query(q, [&](std::size_t k, float x) { place_[k] = x; });
        float most = 0;
        for (float x : place_) most = std::max(most, std::abs(x));
        const bool representable = placed.slack < kInfinity;
        const typename Format::Rounding rounding(most);
        Code* codes = &codes_[layout_.query(i)];
        std::int64_t total = 0;
        double rests = 0, squares = 0;
        layout_.components(frame_.d, [&](std::size_t k, std::size_t at) {
            codes[at] = rounding.code(place_[k]);
            total += codes[at];
            const double number = rounding.number(codes[at]), rest = static_cast<double>(place_[k]) - number;
            rests += rest * rest;
            squares += number * number;
        });
        const double f = frame_.inner_product() ? 1 : 2, norm = representable ? std::sqrt(placed.square) : 0;
        const double length = std::sqrt(squares), more = 1 + frame_.chain;
        second_.set_query(i, q, placed.factor, placed.square);
        start_[i] = static_cast<std::int32_t>(-kernels_.offset * total);
        factor_[i] = static_cast<float>(-f) * rounding.unit;
        query_length_[i] = above(f * norm * more);
        query_residual_[i] = above(f * std::sqrt(rests) * more);
        row_[i] = placed.row;
        const double weight = placed.square + (frame_.cosine() && placed.factor == 0 ? 1 : 0) + length * length;
        const double slack = QuantisedPacking::kWider * frame_.query_slack(weight) + Format::underflow(frame_.d);
        query_slack_[i] = representable ? slack : kInfinity;
        shift_[i] = below(row_[i] - query_slack_[i]);
    }

    template <class Wanted, class Offer, class Screen>
    std::size_t visit(Wanted&& wanted, Offer&& offer, Screen&& screen) {
        const std::size_t lanes = kernels_.lanes;
        const QuantisedTiles tiles(kernels_, layout_);  // of a block: between blocks others may want them
        for (std::size_t g = 0; g < groups_; g += kernels_.groups) {
            const std::size_t row = g * kernels_.rows, groups = std::min(kernels_.groups, groups_ - g);
            const QuantisedQueries queries{&codes_[row * layout_.width()], &start_[row], &factor_[row], &query_length_[row],
                                           &query_residual_[row],          &high_[row],  &shift_[row]};
            const std::size_t count = std::min(groups * kernels_.rows, n_ - row);
            const auto most = static_cast<std::size_t>(static_cast<double>(count * m_) / least_pairs_);
            std::size_t found = 0, passed = 0;
            for (std::size_t first = 0; first < m_; first += lanes) {
                const QuantisedPanel panel{rows_.codes + first * layout_.bytes(), rows_.scale + first, rows_.bias + first,
                                           rows_.residual + first, rows_.length + first};
                const std::size_t fresh = screen(queries, groups, panel, first, hits_.data() + found), begin = found;
                for (std::size_t h = begin; h < begin + fresh; ++h) {
                    Hit hit = hits_[h];
                    hit.row += static_cast<std::uint32_t>(row);
                    hit.lane += static_cast<std::uint32_t>(first);
                    if (hit.row >= n_ || hit.lane >= m_ || !wanted(hit.row, hit.lane, lower(hit))) continue;
                    hits_[found++] = hit;
                }
                passed += fresh;
                if (!forced_ && (found > most || passed > kPassedPerLook * most)) {
                    waiting_ = wait_ + 1;
                    wait_ *= 2;
                    return row;
                }
            }
            looked_at_ += found;
            second_.look({hits_.data(), found}, [&](const Hit& hit) { return wanted(hit.row, hit.lane, lower(hit)); }, offer);
        }
        wait_ = std::max<std::size_t>(1, wait_ / 2);
        return n_;
    }

    // No distance of the pair is below this.
    float lower(const Hit& hit) const {
        const std::size_t i = hit.row, j = hit.lane;
        const double blur = static_cast<double>(query_length_[i]) * static_cast<double>(rows_.residual[j]) +
                            static_cast<double>(query_residual_[i]) * static_cast<double>(rows_.length[j]);
        return frame_.distance(static_cast<double>(hit.value) + row_[i] - query_slack_[i] - blur);
    }

    const QuantisedKernels& kernels_;
    const Frame& frame_;
    const PreparedRows* prepared_;
    QuantisedPacking packing_;
    QuantisedLayout layout_;
    double look_;
    bool forced_, few_, found_prepared_ = false;
    std::size_t most_rows_, n_ = 0, groups_ = 0, m_ = 0;
    double least_pairs_ = 1;  // for each that is looked at
    // Blocks that are left out: twice as many after each that is given up, half as many after one that is done. Where one kind
    // of rows lies in one place (rows in order of norm, k = 100) it pays to come back soon.
    std::size_t waiting_ = 0, wait_ = 1;
    std::size_t blocks_ = 0, looked_at_ = 0;
    AlignedVector<Code> codes_;  // per query, from here on
    std::vector<std::int32_t> start_;
    std::vector<float> factor_, query_length_, query_residual_, high_, shift_;
    std::vector<double> row_, query_slack_;
    std::vector<float> place_;
    QuantisedRows packed_;
    QuantisedView rows_{};            // of the block: packed_, or a part of what is prepared
    std::vector<float> column_high_;  // per base row of the block
    std::vector<Hit> hits_;
    SecondLook second_;
};

using Int8Screen = QuantisedScreen<Int8>;
using BFloat16Screen = QuantisedScreen<BFloat16>;

}  // namespace hardmine
