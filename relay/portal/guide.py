"""Docs: how a program calls this relay, with its own address in every example."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.portal.examples import example
from relay.portal.gate import ROOT
from relay.portal.page import Page

HERE = f"{ROOT}/docs"


class Guide(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show all of it."""
        return await page.render(
            "guide/guide.html",
            curl=example("create", "curl", page).text,
            python=example("create", "python", page).text,
            sdk=example("sdk", "python", page).text,
            typescript=example("create", "typescript", page).text,
            n8n=example("create", "n8n", page).text,
            verify=example("verify", "python", page).text,
            verify_typescript=example("verify", "typescript", page).text,
        )

    @get("/openapi.json")
    async def show_document(self, page: NamedDependency[Page]) -> Response[bytes]:
        """Hand out the OpenAPI document of Kling's paths, for tools that make clients."""
        return Response(
            await page.asking.get_whole("/openapi.json"),
            media_type="application/json",
            headers={"content-disposition": 'attachment; filename="kling-openapi.json"'},
        )
