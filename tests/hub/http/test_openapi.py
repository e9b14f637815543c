"""The description is the API: the same routes, and a document that holds together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.hub.claude import Claude
from tests.hub.kit import Hub

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


async def read_document(hub: Hub) -> Any:
    return await hub.get("/api/v1/openapi.json")


def list_routes(hub: Hub) -> set[tuple[str, str]]:
    """Those of the API, as the application has them."""
    found = set()
    for route in hub.app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method != "HEAD" and (path.startswith("/api/") or path == "/healthz"):
            found.add((route.method.lower(), path))
    return found


def walk(value: Any) -> Iterator[Any]:
    """Every object in the document."""
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(child)


async def test_it_lists_exactly_the_routes_that_exist(hub: Hub) -> None:
    paths = (await read_document(hub))["paths"]
    assert {(method, path) for path, calls in paths.items() for method in calls} == list_routes(hub)


async def test_every_reference_resolves(hub: Hub) -> None:
    document = await read_document(hub)
    references = [item["$ref"] for item in walk(document) if isinstance(item, dict) and "$ref" in item]
    assert references
    for reference in references:
        assert reference.startswith("#/")
        target = document
        for name in reference[2:].split("/"):
            target = target[name]


async def test_it_has_the_form_of_openapi_3_1(hub: Hub) -> None:
    document = await read_document(hub)
    assert document["openapi"].startswith("3.1")
    assert set(document["info"]) >= {"title", "version"}
    schemes = set(document["components"]["securitySchemes"])
    for path, calls in document["paths"].items():
        placeholders = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for method, call in calls.items():
            assert method in METHODS
            assert call["summary"]
            assert all(code.isdigit() and answer["description"] for code, answer in call["responses"].items())
            declared = {item["name"] for item in call.get("parameters", []) if item["in"] == "path"}
            assert declared == placeholders
            assert all(item["required"] for item in call.get("parameters", []) if item["in"] == "path")
            for needed in call.get("security", document["security"]):
                assert set(needed) <= schemes


async def test_what_needs_no_sign_in_is_what_it_says_needs_none(hub: Hub) -> None:
    for path, calls in (await read_document(hub))["paths"].items():
        for method, call in calls.items():
            answer = await hub.call(method.upper(), path.replace("{", "").replace("}", ""))
            assert (answer.status != 401) == (call.get("security") == []), (method, path)


async def test_answers_have_the_fields_it_promises(hub: Hub) -> None:
    document = await read_document(hub)
    schemas = document["components"]["schemas"]
    claude = Claude()
    await hub.post_events(claude.start(), *claude.turn("a", "b"))
    sent = await hub.send(claude.session_id)
    message = await hub.get(f"/api/v1/messages/{sent['message_id']}")
    entry = (await hub.timeline(claude.session_id))[0]
    for name, value in (("Session", await hub.session(claude.session_id)), ("Message", message), ("Entry", entry)):
        assert set(schemas[name]["required"]) <= set(value), name
        if name != "Entry":
            assert set(schemas[name]["properties"]) == set(value), name
    for path, calls in document["paths"].items():
        call = calls.get("get")
        if call is None or "{" in path:
            continue
        properties = call["responses"]["200"]["content"]["application/json"]["schema"].get("properties", {})
        assert set(properties) <= set(await hub.get(path)), path
