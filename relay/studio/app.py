"""The studio's paths, and their document."""

from functools import cache

import msgspec
from litestar import Litestar, Response, get
from litestar.enums import OpenAPIMediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from relay.studio.ai_tasks import AiTaskPaths
from relay.studio.batch import Batches
from relay.studio.creates import PREFIX, creates
from relay.studio.events import EventPaths
from relay.studio.offered import list_capabilities
from relay.studio.refusals import answer_refusal
from relay.studio.retention import RetentionPaths
from relay.studio.v1.creates import v1_creates
from relay.studio.v1.tasks import show_task
from relay.studio.variants import Variants
from relay.studio.workflows import workflows

BEARER = SecurityScheme(
    type="http", scheme="bearer", description="A key of the relay's, or a JWT as Kling's SDKs sign."
)
OPENAPI = OpenAPIConfig(
    title="The studio of a Kling Relay",
    version="1",
    render_plugins=[JsonRenderPlugin()],
    use_handler_docstrings=True,
    components=Components(security_schemes={"bearer": BEARER}),
    security=[{"bearer": []}],
)


@cache
def studio_app() -> Litestar:
    """Build the paths; whose relay it is, the gate says of each request."""
    return Litestar(
        [
            show_document,
            *creates(),
            AiTaskPaths,
            EventPaths,
            RetentionPaths,
            list_capabilities,
            *workflows(),
            Variants,
            Batches,
            *v1_creates(),
            show_task,
        ],
        exception_handlers={Exception: answer_refusal},
        request_max_body_size=None,  # the gate has read it, within its bounds
        openapi_config=OPENAPI,
        logging_config=None,
    )


@cache
def studio_document() -> bytes:
    """Spell what is behind the gate: no secret, and no word of this relay's."""
    return msgspec.json.encode(studio_app().openapi_schema.to_schema())


@get(f"{PREFIX}/openapi.json", include_in_schema=False, sync_to_thread=True)
def show_document() -> Response[bytes]:
    """What is here, as an OpenAPI 3.1 document."""
    return Response(studio_document(), media_type=OpenAPIMediaType.OPENAPI_JSON)
