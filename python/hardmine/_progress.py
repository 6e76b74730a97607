"""What a long scan shows while it runs: a tqdm bar, or whatever a callable makes of (done, total)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

Report = Callable[[int, int], object]


class Progress:
    """A count of pairs over the parts of a scan; use it as a context manager."""

    def __init__(self, wanted: bool | Report, total: int) -> None:
        self._total, self._before, self._bar = total, 0, None
        self._report: Report | None = None
        if callable(wanted):
            self._report = wanted
        elif not isinstance(wanted, bool):
            raise TypeError(f"progress: expected a bool or a callable, got {type(wanted).__name__}")
        elif wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                raise ImportError('progress=True needs tqdm: pip install "hardmine[demo]"') from None
            self._bar = tqdm(total=total, unit="pair", unit_scale=True)

    def part(self, pairs: int) -> Report | None:
        """A report for the next part of the scan, which is that many pairs; the part before it is done."""
        before, self._before = self._before, self._before + pairs
        if self._report is None and self._bar is None:
            return None

        def report(done: int, total: int) -> None:
            self._show(before + pairs * done // max(1, total))

        return report

    def skip(self, pairs: int) -> None:
        """The next part of the scan was done by an earlier call: the bar begins there, and its rate is that of this one."""
        self._before += pairs
        if self._bar is not None:
            self._bar.initial += pairs
        self._show(self._before)

    def begin(self, pairs: int) -> None:
        """The next part of the scan begins after so many pairs in all."""
        self._before = pairs

    def _show(self, done: int) -> None:
        if self._report is not None:
            self._report(done, self._total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._show(self._total)
        if self._bar is not None:
            self._bar.close()
