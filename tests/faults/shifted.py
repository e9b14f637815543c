"""Runs the channel with its clock put off: ``python -I shifted.py SECONDS``, in place of ``python -I -m channel``."""

import runpy
import sys
import time

ahead = float(sys.argv.pop(1))
now, now_ns = time.time, time.time_ns
time.time = lambda: now() + ahead
time.time_ns = lambda: now_ns() + int(ahead * 1e9)
runpy.run_module("channel", run_name="__main__", alter_sys=True)
