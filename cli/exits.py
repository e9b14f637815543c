"""The exit codes of every command, and the text that documents them; knows nothing else."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
REFUSED: Final = 4
DECIDED: Final = 5
CHANGED: Final = 6
UNCONFIRMED: Final = 7
INTERRUPTED: Final = 130

EPILOG: Final = """exit codes:
  0    done
  1    it failed, was declined, or doctor found a blocker
  2    the command line is wrong
  3    not available: no hub here, the hub can't be reached, or the [hub] extra is missing
  4    refused: the code, key or token is wrong, missing, or not allowed to do this
  5    decide: somebody else was first, or nobody waits for the answer any more
  6    decide: what is asked is not what was shown
  7    decide: the answer is kept for its machine, and Claude Code has not got it yet
  130  interrupted"""
