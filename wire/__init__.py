"""Frames and codec that the hub and the channel share; pure, no I/O."""
