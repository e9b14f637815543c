"""What Claude Code runs at each event, and how the installer makes it run that.

The installer copies ``SCRIPTS`` to ``<HELIOGRAPH_HOME>/hooks`` and writes ``LOADER``, ``WAKE_LOADER`` and, where
asked to, ``STATUSLINE_LOADER`` into Claude Code's settings, so that neither a deleted clone nor a rebuilt
environment makes a hook or the user's status line fail.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = tuple(
    Path(__file__).with_name(f"heliograph_{name}.py") for name in ("room", "wake", "ask", "halt", "hook", "statusline")
)
"""What is copied, in this order: the hook may run in between, and needs those before it."""

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

ASK_EVENTS = ("PermissionRequest", "Elicitation")
"""Where the hook waits for somebody's answer, and may take days."""

STATUSLINE_LOADER = (
    "import sys,posix\n"
    "home,ctype,shell,*command=sys.argv[1:]\n"
    "try:\n"
    ' sys.path.insert(0,home+"/hooks")\n'
    " from heliograph_statusline import main\n"
    " main(home)\n"
    "except BaseException:pass\n"
    "try:\n"
    " import _signal\n"
    " _signal.signal(_signal.SIGPIPE,_signal.SIG_DFL)\n"
    " _signal.signal(_signal.SIGXFSZ,_signal.SIG_DFL)\n"
    ' posix.putenv("LC_CTYPE",ctype[1:])if ctype else posix.unsetenv("LC_CTYPE")\n'
    "except BaseException:pass\n"
    'if command:posix.execv(shell if shell[:1]=="/"else"/bin/sh",[shell,"-c",command[0]])\n'
    "posix._exit(0)\n"
)
"""The ``-c`` argument of the status line's command. It ends as the user's own command, in the shell that
Claude Code uses and whatever became of our script, and gives back what Python changes in a process that goes
on as another: two signals, and the ``LC_CTYPE`` that it sets where the locale is C.
"""
