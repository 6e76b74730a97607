// The coarse screens as one, which does each block with that of them that is expected to be quickest, or leaves it to floats.
//
// The cost model, in multiply-adds of floats a pair (QuantisedScreen::cost): the dimensions by the gain of the products, and a
// look for each pair that is let through. Bytes come first, as far as their looks cost less than what they save beside the next
// best screen: floats, or bfloat16, which lets through about as many as floats last reported, and once it has done a block as many
// as in that. A block that bytes give up, or are not to be tried for, goes to bfloat16, and one that that gives up to floats;
// whoever gives up waits before the next try (QuantisedScreen::tries). Where bfloat16 lets through as many as bytes do (ties,
// large k) its first block shows it, and bytes are held against that.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "screens/quantised_screen.hpp"

namespace hardmine {

class CoarseScreens {
  public:
    static constexpr bool kHasFloor = false, kBothSides = true;

    // Those that are not there do nothing. They are made for the same rows.
    CoarseScreens(std::optional<Int8Screen> int8, std::optional<BFloat16Screen> bf16, const Frame& frame,
                  std::size_t most_queries)
        : int8_(std::move(int8)),
          bf16_(std::move(bf16)),
          uses_bf16_(!int8_),
          floats_(static_cast<double>(frame.d)),
          bounds_(int8_ && bf16_ ? most_queries : 0) {}

    // Calls visit(screen) with the one that does the block.
    template <class Visit>
    decltype(auto) in_use(Visit&& visit) {
        return uses_bf16_ ? visit(*bf16_) : visit(*int8_);
    }
    template <class Visit>
    decltype(auto) in_use(Visit&& visit) const {
        return uses_bf16_ ? visit(*bf16_) : visit(*int8_);
    }

    std::size_t most_rows() const {
        return std::min(int8_ ? int8_->most_rows() : kNoLimit, bf16_ ? bf16_->most_rows() : kNoLimit);
    }

    void load_queries(const Rows<float>& queries, const Selection& ids) {
        queries_ = &queries;
        ids_ = ids;
        load();
    }
    bool load_block(const Rows<float>& base, const Selection& ids) {
        block_ = ids.count;
        return in_use([&](auto& used) { return used.load_block(base, ids); });
    }
    void set_bound(std::size_t i, float bound) {
        if (!bounds_.empty()) bounds_[i] = bound;
        in_use([&](auto& screen) { screen.set_bound(i, bound); });
    }
    void ignore(std::size_t i) {
        if (!bounds_.empty()) bounds_[i] = std::numeric_limits<float>::quiet_NaN();
        in_use([&](auto& screen) { screen.ignore(i); });
    }
    float reach(std::size_t i, float bound) const {
        return in_use([&](const auto& screen) { return screen.reach(i, bound); });
    }
    void set_column_bound(std::size_t j, float bound) {
        in_use([&](auto& screen) { screen.set_column_bound(j, bound); });
    }

    void start() {
        queries_ = nullptr;
        loaded_ = {};
        if (int8_) int8_->start();
        if (bf16_) bf16_->start();
        learnt_ = false;
        looked_at_ = 1;
    }
    bool pays(double share) const { return (int8_ && int8_->pays(share)) || (bf16_ && bf16_->pays(share)); }
    bool tries(double share) {
        if (learnt_)
            share = std::min(share, looked_at_);  // the last block of floats may lie far back
        else if (int8_ && bf16_)
            int8_->otherwise(std::min(floats_, bf16_->cost(share)));
        // Both count the blocks. How many more bytes let through than bfloat16 a try tells.
        const bool bytes = int8_ && int8_->tries(learnt_ ? share / Int8::kThrough : share),
                   halves = bf16_ && bf16_->tries(share);
        if (!bytes && !halves) return false;
        if (uses_bf16_ == bytes) {
            uses_bf16_ = !bytes;
            if (queries_) load();
        }
        return true;
    }
    bool found_prepared() const {
        return in_use([](const auto& screen) { return screen.found_prepared(); });
    }
    std::size_t looked_at() const {
        return in_use([](const auto& screen) { return screen.looked_at(); });
    }

    template <class Wanted, class Offer>
    std::size_t scan(Wanted&& wanted, Offer&& offer) {
        return learn(in_use([&](auto& screen) { return screen.scan(wanted, offer); }));
    }
    template <class Wanted, class Offer>
    std::size_t scan_both(Wanted&& wanted, Offer&& offer) {
        return learn(in_use([&](auto& screen) { return screen.scan_both(wanted, offer); }));
    }

  private:
    static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

    // The one in use gets what it does not know yet: the queries, once a task, and the bounds, which changed meanwhile.
    void load() {
        in_use([&](auto& screen) {
            if (!loaded_[uses_bf16_]) screen.load_queries(*queries_, ids_);
            loaded_[uses_bf16_] = true;
            if (bounds_.empty()) return;
            for (std::size_t i = 0; i < ids_.count; ++i)
                if (std::isnan(bounds_[i]))
                    screen.ignore(i);
                else
                    screen.set_bound(i, bounds_[i]);
        });
    }

    // What a pair costs in bfloat16 is known once it has done, or given up, a block. Returns `end`, the query that it got to.
    std::size_t learn(std::size_t end) {
        if (!uses_bf16_ || !int8_) return end;
        const bool done = end == ids_.count;
        if (done)
            looked_at_ = static_cast<double>(bf16_->looked_at()) / (static_cast<double>(end) * static_cast<double>(block_));
        int8_->otherwise(done ? std::min(floats_, bf16_->cost(looked_at_)) : floats_);
        if (!learnt_) int8_->retry();
        learnt_ = true;
        return end;
    }

    std::optional<Int8Screen> int8_;
    std::optional<BFloat16Screen> bf16_;
    bool uses_bf16_, learnt_ = false;
    double floats_, looked_at_ = 1;  // what a pair costs in floats; the share of the last block of bfloat16
    std::vector<float> bounds_;      // of the queries; NaN: ignored
    const Rows<float>* queries_ = nullptr;
    Selection ids_;
    std::array<bool, 2> loaded_{};
    std::size_t block_ = 0;
};

}  // namespace hardmine
