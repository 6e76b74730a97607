// A base packed as a whole, before it is searched.
#include <algorithm>
#include <memory>

#include "engine.hpp"
#include "isa.hpp"
#include "scan/team.hpp"

namespace hardmine {

std::shared_ptr<PreparedRows> prepare(const Rows<float>& base, Metric metric, int threads, const Watcher& watcher) {
    constexpr std::size_t kNumbers = 1 << 18, kSmallWork = 1 << 18;  // of a task's rows; of those that need no second thread
    const Kernels kernels = kernels_in_use();
    const Canonical canonical(kernels.canonical, metric, base.width);
    const auto prepared = std::make_shared<PreparedRows>(kernels, metric, base);
    const std::size_t lanes = kernels.int8.lanes, step = std::max<std::size_t>(1, kNumbers / (lanes * base.width)) * lanes;
    const std::size_t tasks = (base.count + step - 1) / step;
    const bool packs = prepared->fits(kernels.int8);
    Team<float, QuantisedPacking> team(
        base, tasks, threads_for(base.count * base.width, kSmallWork, threads), base.count, watcher,
        [&] { return new QuantisedPacking(kernels.int8, kernels.tile, prepared->frame(), canonical, packs); });
    const Selection all{nullptr, 0, base.count};
    team.run(tasks, [&](std::size_t task, QuantisedPacking& packing, Watch& watch) {
        const std::size_t begin = task * step, end = std::min(base.count, begin + step);
        bool good = true;
        if (packs)
            for (std::size_t first = begin; first < end; first += lanes)
                good &= packing.panel(base, all, first, prepared->rows());
        else
            for (std::size_t j = begin; j < end; ++j) good &= finite(base[j], base.width);
        watch.step(end - begin);
        return good;
    });
    return prepared;
}

}  // namespace hardmine
