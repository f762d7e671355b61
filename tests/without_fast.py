"""A plugin for pytest, ``-p tests.without_fast``: as if the extra ``fast`` were not installed."""

import sys

for name in ("orjson", "pybase64"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
