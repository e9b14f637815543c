"""``python -I -m channel``: what Claude Code starts."""

from channel.run import main

main()
