"""How people call this program: what the next steps we print begin with."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "heliograph"


def name_command() -> str:
    """``heliograph`` where a shell finds this very program by that name, else its whole path."""
    script = Path(os.path.abspath(sys.argv[0]))  # noqa: PTH100 (a symlink on the way is how it was called)
    if script.name != NAME:
        script = Path(sys.executable).with_name(NAME)  # run as a module: the installed script is beside it
    found = shutil.which(NAME)
    if not script.exists() or (found is not None and script.samefile(found)):
        return NAME
    return shlex.quote(str(script))
