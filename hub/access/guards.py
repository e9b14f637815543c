"""The only ways to reach a session, message, decision or subscription: absent and forbidden look alike."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hub.access.rights import Person, Principal, Right
from hub.core.model import Decision, Message, Session
from hub.core.push import Subscription
from hub.db import queries
from hub.db.subscriptions import find_subscription
from hub.errors import Forbidden, NotFound


def access_person(principal: Principal, right: Right) -> Person:
    """A person with this right; raises Forbidden for machines and lesser roles."""
    if not isinstance(principal, Person):
        raise Forbidden("A machine key speaks for its own sessions only.")
    if not principal.may(right):
        raise Forbidden(f"The role {principal.role} may not {right}.")
    return principal


async def access_session(conn: AsyncConnection, principal: Principal, session_id: str, right: Right) -> Session:
    """A session for somebody with this right on it."""
    return access_known(await queries.find_session(conn, session_id), principal, right)


def access_known(session: Session | None, principal: Principal, right: Right) -> Session:
    """The same for one that was looked for already."""
    access_person(principal, right)
    if session is None:
        raise NotFound("There is no such session.")
    return session


async def access_message(conn: AsyncConnection, principal: Principal, message_id: str, right: Right) -> Message:
    """A message for somebody with this right on its session."""
    access_person(principal, right)
    message = await queries.find_message(conn, message_id)
    if message is None:
        raise NotFound("There is no such message.")
    return message


async def access_decision(conn: AsyncConnection, principal: Principal, decision_id: str, right: Right) -> Decision:
    """A decision for somebody with this right on its session."""
    access_person(principal, right)
    decision = await queries.find_decision(conn, decision_id)
    if decision is None:
        raise NotFound("There is no such decision.")
    return decision


async def access_subscription(conn: AsyncConnection, principal: Principal, subscription_id: str) -> Subscription:
    """A subscription of this person's own."""
    person = access_person(principal, "see")
    subscription = await find_subscription(conn, subscription_id)
    if subscription is None or subscription.user_id != person.user_id:
        raise NotFound("There is no such subscription.")
    return subscription
