// What the scans of one kind of rows have in common: screens for many and for few queries, scores, and how much of everything.
// A further screen of a kind joins its Screens and is chosen there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "isa.hpp"
#include "scan/choice.hpp"
#include "scan/memory.hpp"
#include "scan/parallel.hpp"
#include "scan/plan.hpp"
#include "scan/scores.hpp"
#include "screens/coarse_screens.hpp"
#include "screens/code_screens.hpp"
#include "screens/few_screen.hpp"
#include "screens/panel_screen.hpp"
#include "terms/finite.hpp"
#include "terms/search.hpp"

namespace hardmine {

// Where a first bound is guessed (guess.hpp): from one row of every so many; worth its while from so many neighbours and
// queries on, in so many rows, and so many for each neighbour.
struct Sampling {
    std::size_t every, least_neighbors, least_queries, least_rows, rows_per_neighbor;
};

class Floats {
  public:
    using Row = float;
    using Distance = float;
    using AnyScores = Scores;
    static constexpr std::size_t kFairQueries = 512;    // to a thread: packing is a fortieth of their work
    static constexpr std::size_t kSmallWork = 1 << 20;  // multiply-adds that need no second thread
    static constexpr Sampling kSampling{32, 16, 96, 8192, 16};

    // Checks the queries.
    Floats(const FloatSearch& s, const Watcher& watcher)
        : search(s), kernels(kernels_in_use()), canonical(kernels.canonical, s.metric, s.base.width) {
        Watch watch(watcher, 0);
        const std::size_t bad = first_not_finite(s.queries, watch);
        if (bad < s.queries.count) throw NotFinite(false, s.queries.first + bad);
        threads = threads_for(s.queries.count * s.base.count * s.base.width, kSmallWork, s.threads);
    }

    // The queries that a thread takes at a time, if a sink and what else is needed have so many bytes a query.
    std::size_t most_queries(std::size_t per_query, std::size_t fixed) const {
        const std::size_t d = search.base.width, rows = most_rows(true);
        const std::size_t beside = fixed + FewScreen::bytes() + Scores::bytes(d, rows);
        return queries_in_memory(
            threads,
            PanelScreen::bytes_per_query(d) + coarse_bytes(1) - coarse_bytes(0) + Scores::bytes_per_query() + per_query,
            beside + screen_bytes(0) + coarse_bytes(0), FewScreen::kMostQueries,
            beside + (coarse_fits_few() ? int8_bytes(0) : 0));
    }

    // What the screens for many queries take for `queries` of them: the fine one, and the coarse ones beside it.
    std::size_t screen_bytes(std::size_t queries) const {
        const std::size_t d = search.base.width;
        return PanelScreen::bytes(kernels.tile, d) + queries * PanelScreen::bytes_per_query(d);
    }
    std::size_t coarse_bytes(std::size_t queries) const {
        const std::size_t d = search.base.width;
        const std::size_t bf16 =
            BFloat16Screen::bytes(kernels.bf16, d) + queries * BFloat16Screen::bytes_per_query(kernels.bf16, d);
        return int8_bytes(queries) + (may_use_bf16() ? bf16 : 0);
    }

    // Before screens are made: for up to `longest` queries at a time. A prepared base is of use where its rows follow one
    // another.
    void prepare(std::size_t longest, const Selection& base) {
        longest_ = longest;
        rows_ = base.count;
        prepared_ = search.prepared && search.prepared->fits(kernels.int8) && !base.ids ? search.prepared : nullptr;
        if (prepared_) {
            frame_ = prepared_->frame();
            scale_queries(frame_, canonical, search.queries);
        } else {
            frame_ = many() ? make_frame(search.metric, canonical, search.queries, search.base, base)
                            : Frame{search.metric, search.base.width, {}, {}};
        }
    }
    const Frame& frame() const { return frame_; }
    // Every pair is left to the canonical distance from now on.
    void distrust() {
        trusted_ = false;
        frame_.largest_square = 0;
    }

    // Of few queries the coarse screen does a block as a whole or not at all, so that the other does either nothing or all:
    // every table takes more at a time (kernels/int8.cpp).
    static_assert(FewScreen::kMostQueries == Int8Screen::kFewQueries);

    struct Screens {
        PanelScreen many;
        CoarseScreens coarse;
        FewScreen few;
        bool uses_coarse, prepared;
        template <class Visit>
        bool with(std::size_t queries, Visit&& visit) {
            if (queries <= FewScreen::kMostQueries) return uses_coarse && prepared ? visit(coarse, few) : visit(few);
            return uses_coarse ? visit(coarse, many) : visit(many);
        }
    };
    Screens screens() const {
        return {many_screen(longest_), coarse_screens(longest_),
                FewScreen(kernels.few, search.metric, canonical, search.base.width, trusted_), uses_coarse(),
                prepared_ != nullptr};
    }
    PanelScreen many_screen(std::size_t queries) const {
        return PanelScreen(kernels.tile, frame_, canonical, many() ? queries : 0);
    }
    CoarseScreens coarse_screens(std::size_t queries) const {
        std::optional<Int8Screen> int8;
        std::optional<BFloat16Screen> bf16;
        if (uses_int8())
            int8.emplace(kernels.int8, kernels.few, kernels.tile, frame_, canonical, queries, choice_ == Choice::int8,
                         prepared_);
        if (uses_bf16())
            bf16.emplace(kernels.bf16, kernels.few, kernels.tile, frame_, canonical, queries, choice_ == Choice::bf16);
        return {std::move(int8), std::move(bf16), frame_, queries};
    }
    bool uses_coarse() const { return uses_int8() || uses_bf16(); }
    Scores scores() const { return {canonical, search.queries, search.base, longest_, most_rows(many() || uses_coarse())}; }

    const FloatSearch& search;
    const Kernels kernels;
    const Canonical canonical;
    int threads;

  private:
    static constexpr std::size_t kCoarseWidth = 16;    // in fewer dimensions products are no longer most of the work
    static constexpr std::size_t kCoarseQueries = 96;  // fewer do not pay for packing rows a second time

    // Slower products do not pay for the blocks that are tried in vain, fewer rows not for packing the queries once more, which
    // costs a query what 350 base rows do in floats.
    static constexpr float kLeastGain = 1.25f;
    static constexpr std::size_t kBFloat16Rows = 8192;

    bool uses_int8() const {
        if (!many() && !(prepared_ && coarse_fits_few())) return false;
        if (!Int8::serves(frame_)) return false;
        return choice_ == Choice::int8 || (choice_ == Choice::unasked && (prepared_ || longest_ >= kCoarseQueries) &&
                                           search.base.width >= kCoarseWidth && kernels.int8.gain > 1);
    }
    bool may_use_bf16() const {
        return choice_ == Choice::bf16 || (choice_ == Choice::unasked && kernels.bf16.gain >= kLeastGain);
    }
    bool uses_bf16() const {
        if (!many() || !may_use_bf16() || !BFloat16::serves(frame_)) return false;
        return choice_ == Choice::bf16 ||
               (longest_ >= kCoarseQueries && rows_ >= kBFloat16Rows && search.base.width >= kCoarseWidth);
    }

    std::size_t int8_bytes(std::size_t queries) const {
        const std::size_t d = search.base.width;
        return Int8Screen::bytes(kernels.int8, d) + queries * Int8Screen::bytes_per_query(kernels.int8, d);
    }

    bool many() const { return longest_ > FewScreen::kMostQueries; }
    // Few queries are to take little memory, whatever the width of the rows is; of a prepared base they read bytes if that is
    // so.
    bool coarse_fits_few() const { return search.prepared && in_share(threads, 2 * int8_bytes(FewScreen::kMostQueries)); }
    std::size_t most_rows(bool many) const {
        const std::size_t d = search.base.width;
        if (!many) return FewScreen::kBlockRows;
        return std::max(
            {FewScreen::kBlockRows, PanelScreen::most_rows(kernels.tile, d), Int8Screen::most_rows(kernels.int8, d)});
    }

    const Choice choice_ = choice;
    const PreparedRows* prepared_ = nullptr;
    Frame frame_;
    std::size_t longest_ = 0, rows_ = 0;
    bool trusted_ = true;
};

class PackedCodes {
  public:
    using Row = std::uint8_t;
    using Distance = std::int32_t;
    using AnyScores = NoScores;
    static constexpr std::size_t kFairQueries = 64;     // to a thread: packing is a third of their work, merging would be more
    static constexpr std::size_t kSmallWork = 1 << 22;  // bytes compared that need no second thread
    static constexpr Sampling kSampling{64, 128, FewCodeScreen::kMostQueries + 1, 0, 16};

    PackedCodes(const CodeSearch& s, const Watcher&) : search(s), kernels(kernels_in_use()) {
        threads = threads_for(s.queries.count * s.base.count * s.base.width, kSmallWork, s.threads);
    }

    std::size_t levels() const { return 8 * search.base.width + 1; }

    std::size_t most_queries(std::size_t per_query, std::size_t fixed) const {
        fixed += FewCodeScreen::bytes();
        return queries_in_memory(threads, CodeScreen::bytes_per_query() + per_query,
                                 fixed + CodeScreen::bytes(kernels.codes, search.base.width), FewCodeScreen::kMostQueries,
                                 fixed);
    }

    std::size_t screen_bytes(std::size_t queries) const {
        return CodeScreen::bytes(kernels.codes, search.base.width) + queries * CodeScreen::bytes_per_query();
    }

    void prepare(std::size_t longest, const Selection&) { longest_ = longest; }
    void distrust() {}

    struct Screens {
        std::optional<CodeScreen> many;
        FewCodeScreen few;
        template <class Visit>
        bool with(std::size_t queries, Visit&& visit) {
            return queries <= FewCodeScreen::kMostQueries ? visit(few) : visit(*many);
        }
    };
    Screens screens() const {
        Screens made{{}, FewCodeScreen(kernels.codes, search.base.width)};
        if (longest_ > FewCodeScreen::kMostQueries) made.many.emplace(kernels.codes, search.base.width, longest_);
        return made;
    }
    NoScores scores() const { return {}; }

    const CodeSearch& search;
    const Kernels kernels;
    int threads;

  private:
    std::size_t longest_ = 0;
};

}  // namespace hardmine
