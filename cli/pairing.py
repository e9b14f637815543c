"""machine.json: reads it as the channel does, writes it so that only its owner can."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from channel.config import Machine, NotPaired, Unreadable, read_machine
from cli import files
from cli.errors import CliError
from cli.home import DEFAULT_URL, Home


class UnusablePairing(CliError):
    """machine.json is there and can't be used; carries the channel's sentence."""


def read_pairing(home: Home) -> Machine | None:
    """This machine's pairing, None when there is none; raises UnusablePairing."""
    try:
        return read_machine(home.root)
    except NotPaired:
        return None
    except Unreadable as error:
        raise UnusablePairing(f"{home.machine_file}: {error}") from error


def write_pairing(home: Home, machine: Machine) -> None:
    """Store the pairing: 0600 in a 0700 folder, whatever the umask."""
    files.make_private_folder(home.root)
    files.write_whole(home.machine_file, msgspec.json.format(msgspec.json.encode(machine), indent=2) + b"\n")


def choose_hub_url(home: Home, environment: Mapping[str, str]) -> str:
    """Where a person's commands find the hub: HELIOGRAPH_URL, this machine's pairing, or the default."""
    named = environment.get("HELIOGRAPH_URL")
    if named:
        return named
    machine = read_pairing(home)
    return machine.hub_url if machine else DEFAULT_URL
