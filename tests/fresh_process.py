"""Code in a process of its own."""

import os
import subprocess
import sys


def run(code, **environment):
    """Run Python code in a process of its own; its output and exit code."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, env={**os.environ, **environment}
    )
