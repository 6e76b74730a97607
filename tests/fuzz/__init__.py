"""A fuzzer: every public function against slow oracles, on rows and in surroundings made to break it.

    python -m tests.fuzz --seconds 600        # from the root of the project
    python -m tests.fuzz --only topk --case 7  # one case again: a case is a function of its property's name and its seed

A property (`cases.py`) draws a case from random numbers and judges it; `session.py` runs cases until the time is over in a
process that may die, and `shrink.py` makes a failing case small.
"""

import pathlib
import sys

TESTS = pathlib.Path(__file__).parents[1]
if str(TESTS) not in sys.path:  # pytest puts the folder there itself: `reference` and other oracles lie in it
    sys.path.insert(0, str(TESTS))
