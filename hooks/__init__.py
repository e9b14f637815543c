"""What Claude Code runs at each event, and how the installer makes it run that.

The installer copies ``SCRIPTS`` to ``<HELIOGRAPH_HOME>/hooks`` and writes ``LOADER`` and ``WAKE_LOADER``
into Claude Code's settings, so that neither a deleted clone nor a rebuilt environment makes a hook fail.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = tuple(Path(__file__).with_name(f"heliograph_{name}.py") for name in ("room", "hook", "wake"))
"""What is copied, in this order: the hook may run in between, and needs the other."""

LOADER = (
    "import sys\n"
    "try:\n"
    " sys.path.insert(0,sys.argv[1]+'/hooks')\n"
    " from heliograph_hook import main\n"
    " main(sys.argv[1])\n"
    "except BaseException:pass\n"
)
"""The ``-c`` argument of every hook command; ``<HELIOGRAPH_HOME>`` follows it.

It imports the script instead of running it, so that its bytecode is cached (compiling it each time
costs a third of the floor), and it exits 0 whatever is missing: Python itself exits 2 on a missing
script, and 2 is what blocks Claude.
"""

WAKE_LOADER = LOADER.replace("heliograph_hook", "heliograph_wake")
"""The same for the hook that is parked to wake an idle Claude."""

WAKE_EVENTS = ("SessionStart", "Stop")
"""When it is parked: a newer one lets the older go."""
