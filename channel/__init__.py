"""The MCP server that Claude Code runs beside each session, and its link to the hub.

Order of reading: ``run`` wires it; ``mcp``, ``session`` and ``text`` decide (no I/O); ``spool``,
``outbox`` and ``injected`` are what survives a crash; ``stdio``, ``ring`` and ``link`` are the three
edges: Claude Code, its hooks, the hub.
"""

VERSION = "0.1.0"
"""Of the distribution; looking it up in the metadata costs 15 ms of start-up (a test holds them equal)."""
