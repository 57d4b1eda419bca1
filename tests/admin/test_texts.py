"""Texts that no database keeps: refused by each route, wherever they stand."""

from typing import Any

from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.relay_app import running_relay

NUL = "a\x00b"
WORDS = {
    "POST deliveries/ping": {"tenant": NUL, "url": "https://example.com/"},
    "POST tenants/acme/top-ups": {"amount_micros": 5, "reference": NUL},
    "POST tenants": {"name": NUL},
    "POST prices": {"endpoint": "text2video", "model": NUL, "amount": "1"},
    "POST multipliers": {"tenant": NUL, "times": "2"},
    "POST pauses": {"reason": "why", "tenant": NUL},
    "POST owners": {"tenant": NUL, "channel": "main", "kind": "element", "ids": ["one"]},
    "POST invoices": {"account": NUL},
}


async def test_a_nul_is_a_mistake_of_the_clients(database_url: str) -> None:
    """In each text of a path, of a query, and of bodies that name something; nothing is written."""
    async with running_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant()
        ann = await asking(relay, client, "ann", Role.OWNER)
        schema = (await ann("GET", "openapi.json")).json()
        before = await relay.rows("SELECT count(*) FROM changes")
        found: dict[str, int] = {}
        for path, item in schema["paths"].items():
            if "get" in item:
                found |= await _read(ann, path.removeprefix("/admin/v1/"), item["get"])
        for asked, body in WORDS.items():
            method, path = asked.split()
            found[asked] = (await ann(method, path, body)).status_code

        assert len(found) > 40
        assert {asked: status for asked, status in found.items() if status >= 500} == {}
        assert await relay.rows("SELECT count(*) FROM changes") == before


async def _read(ann: Any, path: str, operation: dict[str, Any]) -> dict[str, int]:
    """Ask a route with a NUL in its path, or in one text of its query after the other."""
    of: dict[str, dict[str, Any]] = {"path": {}, "query": {}}
    for parameter in operation.get("parameters", []):
        if parameter["in"] in of:
            of[parameter["in"]][parameter["name"]] = parameter["schema"]
    if any(schema.get("type") == "string" for schema in of["path"].values()):
        filled = path
        for name in of["path"]:
            filled = filled.replace(f"{{{name}}}", "a%00b")
        return {path: (await ann("GET", filled)).status_code}
    if "{" in path:
        return {}
    return {
        f"{path}?{name}": (await ann("GET", path, **{name: NUL})).status_code
        for name, schema in of["query"].items()
        if _is_text(schema)
    }


def _is_text(schema: dict[str, Any]) -> bool:
    kinds = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    return any(kind.get("type") == "string" and set(kind) <= {"type"} for kind in kinds)
