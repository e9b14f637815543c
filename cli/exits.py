"""The exit codes of every command, and the text that documents them; knows nothing else."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
REFUSED: Final = 4
INTERRUPTED: Final = 130

EPILOG: Final = """exit codes:
  0    done
  1    it failed, was declined, or doctor found a blocker
  2    the command line is wrong
  3    not available: no hub here, the hub can't be reached, or the [hub] extra is missing
  4    refused: the code, key or token is wrong, missing, or not allowed to do this
  130  interrupted"""
