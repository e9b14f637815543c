"""The tests' side of the scripted model (``model.py``): start it, give it scenes, open its gates."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.api import Client

Block = dict[str, Any]


def say(text: str) -> Block:
    """Text of the assistant."""
    return {"say": text}


def use(tool: str, **arguments: Any) -> Block:
    """A call of a tool; ``*__reply`` finds a tool by its ending."""
    return {"use": tool, "input": arguments}


def wait(gate: str) -> Block:
    """Nothing more until the test opens the gate."""
    return {"wait": gate}


def fail(status: int) -> Block:
    """An error of the service instead of an answer; a turn's only block."""
    return {"fail": status}


@dataclass(frozen=True)
class Model:
    """A running scripted model."""

    url: str

    @property
    def _stage(self) -> Client:
        return Client(self.url)

    def scene(self, *turns: list[Block]) -> str:
        """Put a scene on; a prompt that contains the returned word plays it."""
        name = f"scene-{uuid.uuid4().hex[:8]}"
        self._stage.call("PUT", f"/stage/scenes/{name}", list(turns))
        return name

    def tell_limits(self, **windows: tuple[float, int]) -> None:
        """Let every answer say what the plan has used: of a window (``5h``, ``7d``) a fraction, and when it ends."""
        prefix = "anthropic-ratelimit-unified"
        headers = {f"{prefix}-status": "allowed"}
        for window, (used, resets_at) in windows.items():
            headers |= {f"{prefix}-{window}-utilization": str(used), f"{prefix}-{window}-reset": str(resets_at)}
        self._stage.call("PUT", "/stage/headers", headers)

    def new_gate(self) -> str:
        """The name of a gate that nobody else uses; it is closed."""
        return f"gate-{uuid.uuid4().hex[:8]}"

    def open(self, gate: str) -> None:
        """Let whoever waits at the gate go on, now and later."""
        self._stage.post(f"/stage/gates/{gate}", {})

    def times_heard(self, text: str) -> int:
        """How often all but the model's side of a conversation contains ``text``, in the latest request that has it."""
        conversations: list[list[str]] = self._stage.get("/stage/heard")
        counts = [sum(said.count(text) for said in conversation) for conversation in conversations]
        return next((count for count in reversed(counts) if count), 0)

    def find_heard(self, pattern: str) -> str | None:
        """What the pattern's group is in the latest request that has it."""
        conversations: list[list[str]] = self._stage.get("/stage/heard")
        found = (re.search(pattern, said) for conversation in reversed(conversations) for said in conversation)
        return next((match[1] for match in found if match), None)


@contextmanager
def run_model(log: Path) -> Iterator[Model]:
    """A model in its own process, gone at the end; its complaints are in ``log``."""
    words = [sys.executable, str(Path(__file__).with_name("model.py"))]
    with (
        log.open("wb") as errors,
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, log.read_text()
            yield Model(f"http://127.0.0.1:{int(port)}")
        finally:
            process.terminate()
            process.wait(10)
