// The screens for packed codes: what they offer are distances, intervals without width.
//
// A block of base codes is packed once and all queries of the task pass over it, a tile of them at a time, prepared anew for
// each block: that costs two thousandths of what the tile does with it, and keeps the tile in L1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "screens/screen.hpp"
#include "terms/rows.hpp"

namespace hardmine {

using Codes = Rows<std::uint8_t>;

class CodeScreen {
  public:
    static constexpr bool kHasFloor = false, kBothSides = false;
    static constexpr std::size_t kBlockBytes = 256 << 10;  // of packed base codes
    static constexpr std::size_t kTileBytes = 24 << 10;    // of prepared queries
    static constexpr std::size_t kMostGroups = 24;

    CodeScreen(const CodeKernels& kernels, std::size_t bytes, std::size_t most_queries)
        : kernels_(kernels),
          bytes_(bytes),
          groups_(most_groups(kernels, bytes)),
          most_rows_(most_rows(kernels, bytes)),
          queries_(most_queries),
          stop_(most_queries + kernels.rows * groups_),
          tile_(groups_ * bytes * kernels.query),
          panels_(most_rows_ / kernels.lanes * bytes * kernels.panel),
          rows_(std::max(kernels.lanes, kernels.rows)),
          hits_(groups_ * kernels.rows * kernels.lanes + 2) {}

    static std::size_t most_groups(const CodeKernels& kernels, std::size_t bytes) {
        return std::clamp<std::size_t>(kTileBytes / (bytes * kernels.query), 1, kMostGroups);
    }
    static std::size_t most_rows(const CodeKernels& kernels, std::size_t bytes) {
        return std::max<std::size_t>(1, kBlockBytes / (bytes * kernels.panel)) * kernels.lanes;
    }
    static std::size_t bytes_per_query() { return sizeof(const std::uint8_t*) + sizeof(std::uint32_t); }
    // Beside the queries: a block, a tile and its hits.
    static std::size_t bytes(const CodeKernels& kernels, std::size_t bytes) {
        const std::size_t groups = most_groups(kernels, bytes);
        return most_rows(kernels, bytes) / kernels.lanes * bytes * kernels.panel +
               groups * (bytes * kernels.query + kernels.rows * (kernels.lanes * sizeof(CodeHit) + 4)) +
               kernels.lanes * sizeof(const std::uint8_t*);
    }

    std::size_t most_rows() const { return most_rows_; }

    void load_queries(const Codes& queries, const Selection& ids) {
        n_ = ids.count;
        for (std::size_t i = 0; i < n_; ++i) queries_[i] = queries[ids[i]];
        std::fill(stop_.begin() + static_cast<std::ptrdiff_t>(n_), stop_.end(),
                  0u);  // rows that fill up a group ask for nothing
    }

    bool load_block(const Codes& base, const Selection& ids) {
        m_ = ids.count;
        for (std::size_t first = 0; first < m_; first += kernels_.lanes) {
            for (std::size_t j = 0; j < kernels_.lanes; ++j)
                rows_[j] = base[ids[std::min(first + j, m_ - 1)]];  // a panel is filled up with its last code
            kernels_.pack(rows_.data(), bytes_, panel(first));
        }
        return true;
    }

    // Pairs of query i farther than `bound` need not be reported.
    void set_bound(std::size_t i, float bound) { stop_[i] = stop(bound, bytes_); }

    static std::uint32_t stop(float bound, std::size_t bytes) {
        bound = std::max(bound, -1.0f);  // below it no pair passes either, and an unsigned number ends
        return bound < static_cast<float>(8 * bytes) ? static_cast<std::uint32_t>(bound + 1)
                                                     : static_cast<std::uint32_t>(8 * bytes + 1);
    }

    // Calls offer(i, j, distance, distance) for the pairs of the block that the bounds let through, j ascending for each i.
    template <class Offer>
    void scan(Offer&& offer) {
        for_tiles([&](std::size_t row, std::size_t groups) {
            for (std::size_t first = 0; first < m_; first += kernels_.lanes) {
                const std::size_t found =
                    kernels_.screen(tile_.data(), groups, panel(first), bytes_, &stop_[row], hits_.data());
                for (const CodeHit& hit : std::span(hits_.data(), found))
                    if (first + hit.lane < m_)
                        offer(row + hit.row, first + hit.lane, static_cast<float>(hit.distance),
                              static_cast<float>(hit.distance));
            }
        });
    }

    // Writes the distances of all queries to the block at out[i * stride + j].
    void write(std::int32_t* out, std::size_t stride) {
        for_tiles([&](std::size_t row, std::size_t groups) {
            const std::size_t n = std::min(groups * kernels_.rows, n_ - row);
            for (std::size_t first = 0; first < m_; first += kernels_.lanes)
                kernels_.dense(tile_.data(), n, panel(first), bytes_, out + row * stride + first, stride,
                               std::min(kernels_.lanes, m_ - first));
        });
    }

  private:
    std::uint8_t* panel(std::size_t first) { return &panels_[first / kernels_.lanes * bytes_ * kernels_.panel]; }

    template <class Visit>
    void for_tiles(Visit&& visit) {
        for (std::size_t row = 0; row < n_; row += groups_ * kernels_.rows) {
            const std::size_t groups = std::min(groups_, (n_ - row + kernels_.rows - 1) / kernels_.rows);
            for (std::size_t g = 0; g < groups; ++g) {
                for (std::size_t r = 0; r < kernels_.rows; ++r)
                    rows_[r] = queries_[std::min(row + g * kernels_.rows + r, n_ - 1)];
                kernels_.prepare(rows_.data(), bytes_, &tile_[g * bytes_ * kernels_.query]);
            }
            visit(row, groups);
        }
    }

    const CodeKernels& kernels_;
    std::size_t bytes_, groups_, most_rows_, n_ = 0, m_ = 0;
    std::vector<const std::uint8_t*> queries_;
    std::vector<std::uint32_t> stop_;
    std::vector<std::uint8_t> tile_, panels_;
    std::vector<const std::uint8_t*> rows_;
    std::vector<CodeHit> hits_;
};

// A few queries read the codes in place: packing a code costs more than they do with it. Measured at 64 bits: 1.5 ns to pack a
// code, 0.08 ns a pair then, 0.33 ns a pair here.
class FewCodeScreen {
  public:
    static constexpr bool kHasFloor = false, kBothSides = false;
    static constexpr std::size_t kMostQueries = 4;

    FewCodeScreen(const CodeKernels& kernels, std::size_t bytes) : kernels_(kernels), bytes_(bytes), hits_(kStep) {}

    static std::size_t bytes() { return kStep * sizeof(CodeHit); }

    std::size_t most_rows() const { return kMostRows; }

    void load_queries(const Codes& queries, const Selection& ids) {
        n_ = ids.count;
        for (std::size_t i = 0; i < n_; ++i) queries_[i] = queries[ids[i]];
    }

    bool load_block(const Codes& base, const Selection& ids) {
        base_ = &base;
        ids_ = ids;
        return true;
    }

    void set_bound(std::size_t i, float bound) { stop_[i] = CodeScreen::stop(bound, bytes_); }

    template <class Offer>
    void scan(Offer&& offer) {
        for (std::size_t first = 0, last; first < ids_.count; first = last) {
            last = run_end(first);
            for (std::size_t i = 0; i < n_; ++i)
                for (std::size_t at = first; at < last; at += kStep) {
                    const std::size_t found = kernels_.few(queries_[i], (*base_)[ids_[at]], base_->stride,
                                                           std::min(kStep, last - at), bytes_, stop_[i], hits_.data());
                    for (const CodeHit& hit : std::span(hits_.data(), found))
                        offer(i, at + hit.lane, static_cast<float>(hit.distance), static_cast<float>(hit.distance));
                }
        }
    }

  private:
    // Where the rows stop lying side by side.
    std::size_t run_end(std::size_t first) const {
        std::size_t last = ids_.ids ? first + 1 : ids_.count;
        while (last < ids_.count && ids_[last] == ids_[last - 1] + 1) ++last;
        return last;
    }

    static constexpr std::size_t kMostRows = 8192;
    static constexpr std::size_t kStep = 1024;  // rows until a tighter bound is used

    const CodeKernels& kernels_;
    std::size_t bytes_, n_ = 0;
    const Codes* base_ = nullptr;
    Selection ids_;
    const std::uint8_t* queries_[kMostQueries];
    std::uint32_t stop_[kMostQueries];
    std::vector<CodeHit> hits_;
};

}  // namespace hardmine
