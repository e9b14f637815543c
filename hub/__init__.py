"""The hub: one store of every session, and the pages and calls that show and steer them."""

from importlib.metadata import version

__version__ = version("heliograph")
