"""Keys of a tenant, and what is asked with them."""

from typing import Any

from relay.desk.tokens import issue_token
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay, bearer

NOT_FOR_IT = (403, 1103)


async def key(relay: Relay, scope: Scope = Scope.CALL, name: str = "acme", **of: Any) -> Any:
    async with relay.sessions.begin() as session:
        return await issue_token(session, ACTOR, name, relay.keys, scope=scope, **of)


async def asked(
    relay: Relay, token: Any, method: str, path: str, body: Any = None
) -> tuple[int, int, Any]:
    """Status, code and data of an answer."""
    answer = await relay.client.request(method, path, json=body, headers=bearer(token))
    told = answer.json()
    return answer.status_code, told["code"], told.get("data", told.get("message"))


async def data(relay: Relay, token: Any, method: str, path: str, body: Any = None) -> Any:
    status, code, told = await asked(relay, token, method, path, body)
    assert (status, code) == (200, 0), told
    return told


async def made_by(relay: Relay, token: Any, **body: Any) -> IssuedToken:
    made = await data(relay, token, "POST", "/relay/tokens", body)
    return IssuedToken(tenant="acme", **{**made, "scope": Scope(made["scope"])})
