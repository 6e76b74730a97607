// A coarse screen for many queries: rows of the frame as whole numbers of a byte, whose products cost a quarter and less of
// those of floats. What it lets through is looked at again before it is reported (second_look.hpp).
//
// The bound. A row x' of the frame is s X + r, X whole, |X_k| <= 127, s > 0 a float32; n = |s X|, p = |r|. The sum X_q . X_b
// is exact in int32, and
//   q' . b' = s_q s_b X_q . X_b + r_q . (s_b X_b) + q' . r_b,    so that by Cauchy-Schwarz
//   |q' . b' - s_q s_b X_q . X_b|  <=  p_q n_b + N_q p_b.
// In the values of frame.hpp, where f is 2, or 1 for inner products, the pair is let through if
//   K(i, j) <= high(i) + blur(i),     K(i, j) = L(j) - f s_q s_b X_q . X_b,     blur(i, j) = f (N_q p_b + p_q n_b),
// first with the largest p and n of a panel, which cost a number for each query and panel instead of two a pair.
//
// Roundings. Those of packing (lines 1, 5, 6 of frame.hpp) stay. n and p are at least what the bound means by them: sums of
// squares are known up to g(d), which (1 + e) makes good, e = g(d + 16) of frame.hpp; the rest x' - s X up to u (n + p), for
// which 4 u n is added; what underflows in its squares up to 2^-70 sqrt(d), which is added, too. Then, with all of N, n, p of
// both rows:
//   1. The sum becomes a float32 (u), is multiplied by s_b (u) and by the query's factor, exactly f s_q, and added to L, in
//      one rounding or two: less than 4.1 u f n_q n_b + 1.1 u |L|.
//   2. high + blur, or K - blur: 3 u of blur, u of the result. As p <= N + n, f = 2:
//      blur <= 3 N_q^2 + n_q^2 + N_b^2 + 3 n_b^2. The result matters only while it is below twice M, the largest |K|,
//      M <= |L| + f n_q n_b. (Where columns are screened the sum K - blur + shift is compared with a float32, and rounding
//      keeps their order.)
//   3. L is the float32 below bias - slack_b; bias is a sum over four chains, g(d/4 + 4) N_b^2.
// Distances: together 14 u (N_q^2 + n_q^2) and (d/4 + 20) u (W_b + n_b^2); the slacks of frame.hpp, of W + n^2 in place of W,
// are at least 17 u and 3 (d + 16) u of them. Inner products, where f = 1 halves all of it: 5.1 u and 7.7 u, of h/2 >= 8.5 u.
// The screen takes twice these slacks. An underflow (of s_b times the sum: 2^-150 times f s_q) is less than c and e N_q^2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/aligned.hpp"
#include "screens/frame.hpp"
#include "screens/int8_layout.hpp"
#include "screens/int8_rows.hpp"
#include "screens/placing.hpp"
#include "screens/prepared.hpp"
#include "screens/screen.hpp"
#include "screens/second_look.hpp"

namespace hardmine {

class Int8Screen {
  public:
    static constexpr bool kHasFloor = false, kBothSides = true;

    static constexpr std::size_t kBlockBytes = 128 << 10;  // of a block's bytes
    static constexpr std::size_t kMostRows = 2048;         // of a block
    // What the second look at a pair costs, in multiply-adds of floats: a fixed sum, and so many for each dimension.
    static constexpr double kLook = 4000, kLookPerDimension = 8;
    // Few queries wait for memory: a row that they need not read saves them, at 128 dimensions, about a third of a look. One in
    // six is on the safe side.
    static constexpr std::size_t kFewQueries = 8;
    static constexpr double kLeastPairsOfFew = 6;

    static std::size_t most_rows(const Int8Kernels& kernels, std::size_t d) {
        const std::size_t panels = kBlockBytes / (kernels.lanes * Int8Layout(kernels, d).bytes());
        return std::clamp<std::size_t>(panels, 1, kMostRows / kernels.lanes) * kernels.lanes;
    }
    static std::size_t bytes_per_query(const Int8Kernels& kernels, std::size_t d) {
        return Int8Layout(kernels, d).bytes() + 5 * sizeof(float) + sizeof(std::int32_t) + 2 * sizeof(double) +
               SecondLook::bytes_per_query();
    }
    static std::size_t bytes(const Int8Kernels& kernels, std::size_t d) {
        const std::size_t rows = most_rows(kernels, d);
        return rows * (Int8Rows::bytes_per_row(Int8Layout(kernels, d)) + sizeof(float)) + Int8Packing::bytes(kernels, d) +
               d * sizeof(float) + kernels.rows * bytes_per_query(kernels, d) +
               (most_hits(kernels, rows) + room(kernels)) * sizeof(Hit);
    }

    // `prepared` are all rows of the base, in the frame, and their panels those of the kernels; or null.
    Int8Screen(const Int8Kernels& kernels, const FewKernels& few, const TileKernels& tile, const Frame& frame,
               const Canonical& canonical, std::size_t most_queries, bool forced = false,
               const PreparedRows* prepared = nullptr)
        : kernels_(kernels),
          frame_(frame),
          prepared_(prepared),
          packing_(kernels, tile, frame, canonical, most_queries > 0),
          layout_(kernels, frame.d),
          forced_(forced),
          few_(prepared && most_queries <= kFewQueries),
          most_rows_(most_rows(kernels, frame.d)),
          second_(few, frame, padded_queries(kernels, most_queries)) {
        if (most_queries == 0) return;  // never used
        const auto d = static_cast<double>(frame.d);
        const double share = d * (1 - 1 / static_cast<double>(kernels.gain)) / (kLook + kLookPerDimension * d);
        least_pairs_ = forced ? 1 : few_ ? kLeastPairsOfFew : std::max(1 / share, static_cast<double>(kLeastPairs));
        const std::size_t queries = padded_queries(kernels, most_queries);
        codes_.resize(queries * layout_.bytes());
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
        std::fill_n(codes_.begin(), groups_ * kernels_.rows * layout_.bytes(), std::int8_t{0});
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
    void start() { waiting_ = blocks_ = 0; }

    // Whether a block is worth a try where a float32 screen has such a share of the pairs to report: this one, which lets some
    // three times as many through, may have too many to look at. For few queries a try is cheap, and their float32 screen,
    // which knows no origin, says little of this one.
    bool pays(double share) const { return forced_ || (few_ ? share < 1 : kThrough * share * least_pairs_ <= 1); }
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
                     [&](const Int8Queries& queries, std::size_t groups, const Int8Panel& panel, std::size_t, Hit* hits) {
                         return kernels_.screen(queries, groups, panel, layout_.quads, hits);
                     });
    }
    template <class Wanted, class Offer>
    std::size_t scan_both(Wanted&& wanted, Offer&& offer) {
        return visit(
            wanted, offer,
            [&](const Int8Queries& queries, std::size_t groups, const Int8Panel& panel, std::size_t first, Hit* hits) {
                return kernels_.screen_both(queries, groups, panel, &column_high_[first], layout_.quads, hits);
            });
    }

  private:
    static constexpr double kThrough = 2;
    static constexpr std::size_t kLeastPairs = 16;    // for one that is looked at
    static constexpr std::size_t kPassedPerLook = 8;  // what the bounds let through costs an eighth of a look

    static std::size_t padded_queries(const Int8Kernels& kernels, std::size_t queries) {
        return (queries + kernels.rows - 1) / kernels.rows * kernels.rows;
    }
    static std::size_t most_hits(const Int8Kernels& kernels, std::size_t rows) {
        return kernels.groups * kernels.rows * rows / kLeastPairs;
    }
    static std::size_t room(const Int8Kernels& kernels) { return kernels.groups * kernels.rows * kernels.lanes; }

    void load_query(const float* q, std::size_t i) {
        const PlacedQuery placed = packing_.placing().query(q, [&](std::size_t k, float x) { place_[k] = x; });
        float most = 0;
        for (float x : place_) most = std::max(most, std::abs(x));
        const bool representable = placed.slack < kInfinity;
        const float scale = most / 127, inverse = 127 / most;
        std::int8_t* codes = &codes_[layout_.query(i)];
        std::int32_t total = 0;
        double rests = 0, squares = 0;
        constexpr float kMagic = 0x1.8p23f;  // what it drops is rounded to even
        if (most > 0x1p-100f)
            layout_.components(frame_.d, [&](std::size_t k, std::size_t at) {
                const float x = place_[k], code = std::clamp(x * inverse + kMagic - kMagic, -127.0f, 127.0f);
                codes[at] = static_cast<std::int8_t>(code);
                total += static_cast<std::int32_t>(code);
                const double whole = static_cast<double>(code) * static_cast<double>(scale),
                             rest = static_cast<double>(x) - whole;
                rests += rest * rest;
                squares += whole * whole;
            });
        else
            rests = placed.square;
        const double f = frame_.inner_product() ? 1 : 2, norm = representable ? std::sqrt(placed.square) : 0;
        const double length = std::sqrt(squares), more = 1 + frame_.chain;
        second_.set_query(i, q, placed.factor, placed.square);
        start_[i] = -kernels_.offset * total;
        factor_[i] = static_cast<float>(-f) * (most > 0x1p-100f ? scale : 0.0f);
        query_length_[i] = above(f * norm * more);
        query_residual_[i] = above(f * std::sqrt(rests) * more);
        row_[i] = placed.row;
        const double weight = placed.square + (frame_.cosine() && placed.factor == 0 ? 1 : 0) + length * length;
        query_slack_[i] = representable ? Int8Packing::kWider * frame_.query_slack(weight) : kInfinity;
        shift_[i] = below(row_[i] - query_slack_[i]);
    }

    template <class Wanted, class Offer, class Screen>
    std::size_t visit(Wanted&& wanted, Offer&& offer, Screen&& screen) {
        const std::size_t lanes = kernels_.lanes;
        const Int8Tiles tiles(kernels_, layout_);  // of a block: between blocks others may want them
        for (std::size_t g = 0; g < groups_; g += kernels_.groups) {
            const std::size_t row = g * kernels_.rows, groups = std::min(kernels_.groups, groups_ - g);
            const Int8Queries queries{&codes_[row * layout_.bytes()], &start_[row], &factor_[row], &query_length_[row],
                                      &query_residual_[row],          &high_[row],  &shift_[row]};
            const std::size_t count = std::min(groups * kernels_.rows, n_ - row);
            const auto most = static_cast<std::size_t>(static_cast<double>(count * m_) / least_pairs_);
            std::size_t found = 0, passed = 0;
            for (std::size_t first = 0; first < m_; first += lanes) {
                const Int8Panel panel{rows_.codes + first * layout_.bytes(), rows_.scale + first, rows_.bias + first,
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
                    waiting_ = blocks_ + 1;
                    return row;
                }
            }
            looked_at_ += found;
            second_.look({hits_.data(), found}, [&](const Hit& hit) { return wanted(hit.row, hit.lane, lower(hit)); }, offer);
        }
        return n_;
    }

    // No distance of the pair is below this.
    float lower(const Hit& hit) const {
        const std::size_t i = hit.row, j = hit.lane;
        const double blur = static_cast<double>(query_length_[i]) * static_cast<double>(rows_.residual[j]) +
                            static_cast<double>(query_residual_[i]) * static_cast<double>(rows_.length[j]);
        return frame_.distance(static_cast<double>(hit.value) + row_[i] - query_slack_[i] - blur);
    }

    const Int8Kernels& kernels_;
    const Frame& frame_;
    const PreparedRows* prepared_;
    Int8Packing packing_;
    Int8Layout layout_;
    bool forced_, few_, found_prepared_ = false;
    std::size_t most_rows_, n_ = 0, groups_ = 0, m_ = 0;
    double least_pairs_ = 1;  // for each that is looked at
    std::size_t waiting_ = 0, blocks_ = 0, looked_at_ = 0;
    AlignedVector<std::int8_t> codes_;  // per query, from here on
    std::vector<std::int32_t> start_;
    std::vector<float> factor_, query_length_, query_residual_, high_, shift_;
    std::vector<double> row_, query_slack_;
    std::vector<float> place_;
    Int8Rows packed_;
    Int8View rows_{};                 // of the block: packed_, or a part of what is prepared
    std::vector<float> column_high_;  // per base row of the block
    std::vector<Hit> hits_;
    SecondLook second_;
};

}  // namespace hardmine
