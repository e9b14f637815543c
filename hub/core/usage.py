"""What a session has used: tokens, context, cost. Its channel reports sums, so a repeated report changes nothing."""

from __future__ import annotations

from hub.core.body import Stored
from hub.core.model import DayUsage, Session, Usage
from hub.core.prices import estimate, estimate_all
from hub.core.world import World


def note_usage(world: World, session: Session, event: Stored) -> None:
    """``ChannelUsage``."""
    report = event.body.usage
    if report is None:
        return
    before = session.usage
    cost = report.cost_usd if report.cost_usd is not None else estimate_all(report.totals.items())
    session.model = report.model or session.model
    session.usage = Usage(
        context_used=report.context_used,
        context_window=report.context_window or before.context_window,
        totals=report.totals,
        cost_usd=cost,
        is_estimate=cost is not None and report.cost_usd is None,
        limits=report.limits or before.limits,
    )
    for day, models in report.days.items():
        for model, tokens in models.items():
            world.days[session.session_id, day, model] = DayUsage(
                session_id=session.session_id,
                day=day,
                model=model,
                machine_id=session.machine_id,
                input=tokens.input,
                output=tokens.output,
                cache_read=tokens.cache_read,
                cache_write=tokens.cache_write,
                cost_usd=estimate(model, tokens),
            )
