"""``python -m tests.faults.soak --minutes 10 --seed 7``: faults at random, for as long as wanted; counts at the end.

Each round is a world of its own, so that its books can be rebuilt in memory, and has a seed of its own, which
repeats it: ``--round SEED``. Exits 1 if anything was lost, came twice, or wasn't as it must be.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.faults.injections import ALL, ON_MACHINES, SOAK, inject
from tests.faults.world import World, make_world

ROUND_FAULTS = 12
"""In one world; a round takes a minute or two."""

MEANWHILE = 0.3
"""How often another fault comes in the middle of one."""

GOOD = ("faults injected", "events sent", "messages sent")


def play_round(seed: int, until: float, total: Counter[str]) -> bool:
    """One world; whether all was well in it."""
    dice = random.Random(seed)
    world: World | None = None
    try:
        with (
            tempfile.TemporaryDirectory(prefix="heliograph-soak-") as folder,
            make_world(Path(folder), seed, claudes=dice.choice((1, 2, 3))) as world,
        ):
            for _ in range(ROUND_FAULTS):
                name = dice.choices(list(ALL), [weight for _, weight in ALL.values()])[0]
                meanwhile = dice.choice(ON_MACHINES) if dice.random() < MEANWHILE and name not in ON_MACHINES else None
                for claude in world.alive:
                    claude.tell("bulk", count=SOAK.bulk)
                inject(world, ALL[name][0], SOAK, meanwhile=ALL[meanwhile][0] if meanwhile else None)
                if time.monotonic() > until:
                    break
    except Exception:  # noqa: BLE001  the next round is a world of its own
        traceback.print_exc()
        print(f"round {seed} failed after: {world.faults if world else 'its start'}", flush=True)
        total["rounds failed"] += 1
        return False
    finally:
        if world is not None:
            total.update(world.counts)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--round", type=int, help="only this round")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    total: Counter[str] = Counter()
    started = time.monotonic()
    until = started + options.minutes * 60
    while time.monotonic() < until:
        seed = dice.randrange(2**31) if options.round is None else options.round
        is_well = play_round(seed, until, total)
        minutes = (time.monotonic() - started) / 60
        word = "well" if is_well else "FAILED"
        print(f"{minutes:5.1f} min, round {seed} {word}: {dict(total)}", flush=True)
        if options.round is not None:
            break
    print()
    for name in (*GOOD, *sorted(total.keys() - set(GOOD))):
        print(f"{name:>24} {total[name]:>10,}")
    print(f"{'seed':>24} {options.seed:>10}")
    return 1 if any(count for name, count in total.items() if name not in GOOD) else 0


if __name__ == "__main__":
    sys.exit(main())
