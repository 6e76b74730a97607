"""Reading ahead: the next block is decoded on a thread while the caller works with the last, and at most one is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, TypeVar

from hardmine import _core

Item = TypeVar("Item")

PATIENCE = 1.0  # seconds that a caller who stops early waits for the block at hand; after it the thread ends by itself


class _Reader(threading.Thread):
    """Takes one item after another, each when it is asked for."""

    def __init__(self, items: Iterator[Any]) -> None:
        super().__init__(name="hardmine reads ahead", daemon=True)
        self._items = items
        self._wanted, self._ready = threading.Semaphore(0), threading.Semaphore(0)
        self._stopped, self._found, self._over, self._error = False, None, False, None

    def ask(self) -> None:
        """Let the next item be read."""
        self._wanted.release()

    def take(self) -> Any:
        """The item that was asked for, alone in a tuple; an empty tuple at the end; or raise what reading it raised."""
        self._ready.acquire()
        if self._error is not None:
            raise self._error
        found, self._found = self._found, None
        return () if self._over else (found,)

    def stop(self) -> None:
        """End, after the item at hand."""
        self._stopped = True
        self._wanted.release()

    def run(self) -> None:
        with _core.StandardArithmetic():  # which is each thread's own
            while not self._over:
                self._wanted.acquire()
                if self._stopped:
                    break
                try:
                    self._found = next(self._items)
                except StopIteration:
                    self._over = True
                except BaseException as error:  # it belongs to the caller
                    self._error, self._over = error, True  # type: ignore[assignment]
                self._ready.release()
        self._items = iter(())  # with what a generator holds


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, the next one made on a thread while the caller works with the last.

    The thread holds no item but the one that it makes, so that there are two at a time. It ends with the iteration, however
    that ends.
    """
    reader = _Reader(items)
    reader.start()
    try:
        reader.ask()
        while found := reader.take():
            reader.ask()
            yield found[0]
            del found  # before the next one is waited for
    finally:
        reader.stop()
        reader.join(PATIENCE)
