"""Who may what: the vocabulary of rights, and the roles that hold them."""

from __future__ import annotations

from typing import Literal

import msgspec

Right = Literal["see", "prompt", "decide", "stop", "administer"]

ROLES: dict[str, frozenset[Right]] = {
    "owner": frozenset({"see", "prompt", "decide", "stop", "administer"}),
    "member": frozenset({"see", "prompt", "decide", "stop"}),
    "viewer": frozenset({"see"}),
}


def list_roles(right: Right) -> list[str]:
    """The roles that hold it."""
    return [role for role, rights in ROLES.items() if right in rights]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Someone signed in: in a browser (``csrf`` is set) or through a token."""

    user_id: str
    name: str
    role: str
    token_id: str
    csrf: str | None = None

    def may(self, right: Right) -> bool:
        """Whether the role holds this right."""
        return right in ROLES.get(self.role, frozenset())


class MachineKey(msgspec.Struct, frozen=True, kw_only=True):
    """A paired machine, by its key: it speaks for its own sessions and may do nothing else."""

    machine_id: str
    name: str
    token_id: str


Principal = Person | MachineKey
