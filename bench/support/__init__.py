"""What the benchmarks share. None of it is product code."""

from __future__ import annotations

import sys
from pathlib import Path

_SCRIPTS = str(Path(__file__).resolve().parent.parent)

if sys.path and sys.path[0] == _SCRIPTS:  # `python bench/x.py` puts it first: bench/channel.py would hide `channel`
    sys.path.pop(0)
