"""What a session has used: tokens, context, cost. Its channel reports sums, so a repeated report changes nothing.

A session that was copied from another machine brings along what was used there, which counts there. Its channel
reads the transcript as soon as Claude Code has opened it, so what its first report says is taken off that one and
all later ones. (What is used before that, or on a day before the copy's last because the clocks differ, is lost.)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hub.core.body import Stored, UsageReport
from hub.core.model import Baseline, DayUsage, Session, Tokens, Usage
from hub.core.prices import estimate, estimate_all
from hub.core.world import World


def note_usage(world: World, session: Session, event: Stored) -> None:
    """``ChannelUsage``."""
    report = event.body.usage
    if report is None:
        return
    if session.foreign:
        session.baseline = session.baseline or _build_baseline(report)
        report = _take_off(report, session.baseline)
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


def _build_baseline(report: UsageReport) -> Baseline:
    day = max(report.days, default="")
    return Baseline(totals=report.totals, cost_usd=report.cost_usd or 0, day=day, day_totals=report.days.get(day, {}))


def _take_off(report: UsageReport, baseline: Baseline) -> UsageReport:
    """What was used since."""
    cost, last = report.cost_usd, baseline.day
    return msgspec.structs.replace(
        report,
        totals=_subtract(report.totals, baseline.totals),
        days={
            day: _subtract(models, baseline.day_totals if day == last else {})
            for day, models in report.days.items()
            if day >= last
        },
        cost_usd=None if cost is None else max(cost - baseline.cost_usd, 0),
    )


def _subtract(totals: Mapping[str, Tokens], before: Mapping[str, Tokens]) -> dict[str, Tokens]:
    """By model, never below 0; models of which nothing is left aren't named."""
    left = {model: _subtract_tokens(tokens, before.get(model, Tokens())) for model, tokens in totals.items()}
    return {model: tokens for model, tokens in left.items() if tokens != Tokens()}


def _subtract_tokens(tokens: Tokens, before: Tokens) -> Tokens:
    return Tokens(
        input=max(tokens.input - before.input, 0),
        output=max(tokens.output - before.output, 0),
        cache_read=max(tokens.cache_read - before.cache_read, 0),
        cache_write=max(tokens.cache_write - before.cache_write, 0),
    )
