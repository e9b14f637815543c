"""What handlers find in the application."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from hub.access.limiter import WrongSecrets
from hub.access.principals import Principals
from hub.access.rights import Principal
from hub.config import Settings
from hub.db.engine import Database
from hub.http.searches import Searches
from hub.links import Links
from hub.live import Live
from hub.pages.render import Pages
from hub.push import Push
from hub.rulings import Rulings
from hub.verdicts import Outcomes

SETTINGS = web.AppKey("settings", Settings)
DB = web.AppKey("db", Database)
LIVE = web.AppKey("live", Live)
LINKS = web.AppKey("links", Links)
RULINGS = web.AppKey("rulings", Rulings)
OUTCOMES = web.AppKey("outcomes", Outcomes)
PRINCIPALS = web.AppKey("principals", Principals)
PAGES = web.AppKey("pages", Pages)
WRONG_SECRETS = web.AppKey("wrong_secrets", WrongSecrets)
PUSH = web.AppKey("push", Push)
SEARCHES = web.AppKey("searches", Searches)

PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", cast(type[Principal], object))
NONCE = web.RequestKey("nonce", str)
