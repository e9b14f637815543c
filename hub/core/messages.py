"""What events show about messages: each step is taken once, with its evidence (``receipts`` knows the order)."""

from __future__ import annotations

from hub.core import receipts, timeline
from hub.core.body import Stored
from hub.core.model import Evidence, Message, MessageState, Receipt, Session
from hub.core.world import World
from wire.messages import find_message_ids


def queue(world: World, session: Session, event: Stored) -> None:
    """Somebody wrote to the session; ``again``: in the place of a message whose fate nobody knows."""
    body = event.body
    message = Message(
        message_id=body.message_id or event.event_id,
        session_id=session.session_id,
        author_id=body.author_id,
        author=body.author,
        text=body.text,
        client_id=body.client_id,
        when=body.when,
        state="queued",
        again=body.again,
        created_at=event.at,
    )
    world.messages[message.message_id] = message
    timeline.add_message(world, session, event, message)
    step(world, session, message, "queued", event, "sent")


def move(world: World, session: Session, event: Stored) -> None:
    """A queued message goes before another one, or last."""
    moved, before = event.body.message_id, event.body.before
    if moved in session.queue and moved != before:
        others = [message_id for message_id in session.queue if message_id != moved]
        place = others.index(before) if before in others else len(others)
        session.queue = [*others[:place], moved, *others[place:]]


def cancel(world: World, session: Session, event: Stored) -> None:
    """A person took it back, gave it up, or sent it again."""
    message = _find(world, session, event)
    if message is not None and receipts.cancel(message.state) != message.state:
        step(world, session, message, "cancelled", event, event.body.evidence or "cancelled")


def note_injected(world: World, session: Session, event: Stored) -> None:
    """The channel gave it to Claude; nobody will see what became of it if that process is gone by now.

    ``recalled``: only the disk knows that some channel before this one was about to.
    """
    message = _find(world, session, event)
    if message is None or (message.state == "cancelled" and timeline.has_been(world, session, message, "uncertain")):
        return
    if event.body.recalled:
        if message.state == "queued":
            step(world, session, message, "uncertain", event, "process_gone")
        return
    via = event.body.via
    if message.state == "delivered" and message.via != via:  # Claude Code dropped what went the first way
        step(world, session, message, "delivered", event, via)
    prove(world, session, message, "delivered", event, via)
    message.via = via
    world.changed_messages.add(message.message_id)
    process = world.processes.get((event.machine_id, event.pid))
    if event.orphan or (process is not None and process.gone):
        _lose(world, session, message, event)


def note_seen(world: World, session: Session, event: Stored) -> None:
    """Claude Code's transcript shows that the model got it: in a turn that may be over by now."""
    message = _find(world, session, event)
    if message is not None:
        prove(world, session, message, "seen", event, "transcript")
        if session.turn_started_at is None:
            prove(world, session, message, "answered", event, "stop")


def add_reply(world: World, session: Session, event: Stored) -> None:
    """Claude answered through the ``reply`` tool."""
    message = _find(world, session, event)
    timeline.add_reply(world, session, event, message)
    if message is not None:
        prove(world, session, message, "answered", event, "reply")


def find_named(world: World, session: Session, event: Stored) -> list[Message]:
    """The session's messages whose tags stand in this prompt."""
    ours = [world.messages[i] for i in find_message_ids(event.body.prompt) if i in world.messages]
    return [message for message in ours if message.session_id == session.session_id]


def list_open(world: World, session: Session, state: MessageState) -> list[Message]:
    """The session's messages in this state."""
    known = (world.messages.get(message_id) for message_id in session.open_messages)
    return [message for message in known if message is not None and message.state == state]


def prove(
    world: World, session: Session, message: Message, proven: MessageState, event: Stored, evidence: Evidence
) -> None:
    """Evidence for a step; it proves those below it, too, which get the same time."""
    state = receipts.climb(message.state, proven)
    if state == message.state:
        return
    if state == "answered" and message.state != "seen":
        step(world, session, message, "seen", event, evidence)
    step(world, session, message, state, event, evidence)


def lose_all(world: World, session: Session, event: Stored) -> None:
    """The process that messages were given to is gone, or carries another session."""
    for message in list_open(world, session, "delivered"):
        _lose(world, session, message, event)


def expire_all(world: World, session: Session, event: Stored) -> None:
    """The session was cleared: what waited for it was written for a talk that is gone."""
    for message in list_open(world, session, "queued"):
        step(world, session, message, "expired", event, "cleared")


def step(
    world: World, session: Session, message: Message, state: MessageState, event: Stored, evidence: Evidence
) -> None:
    """The message is in this state from here on."""
    message.state = state
    world.changed_messages.add(message.message_id)
    world.receipts.append(
        Receipt(message_id=message.message_id, state=state, at=event.at, event_id=event.event_id, evidence=evidence)
    )
    others = [i for i in session.open_messages if i != message.message_id]
    session.open_messages = [*others, message.message_id] if receipts.is_open(state) else others
    if state == "queued":
        session.queue = [*session.queue, message.message_id]
    elif message.message_id in session.queue:
        session.queue = [message_id for message_id in session.queue if message_id != message.message_id]
    timeline.update_message(world, session, event, message, evidence)


def _lose(world: World, session: Session, message: Message, event: Stored) -> None:
    if receipts.lose(message.state) != message.state:
        step(world, session, message, "uncertain", event, "process_gone")


def _find(world: World, session: Session, event: Stored) -> Message | None:
    message = world.messages.get(event.body.message_id or "")
    return message if message is not None and message.session_id == session.session_id else None
