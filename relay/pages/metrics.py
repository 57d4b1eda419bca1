"""What Prometheus scrapes, in the office: it tells what is earned, and asks for no password."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from relay.metrics.families import Exposition
from relay.metrics.process import ProcessMetrics


@get("/metrics", include_in_schema=False)
async def metrics_of_process(
    request: Request[Any, Any, Any], process_metrics: NamedDependency[ProcessMetrics]
) -> Response[bytes]:
    """What this process counted since it started, for Prometheus."""
    return _response(await process_metrics.show(request.headers.get("accept", "")))


def _response(exposition: Exposition) -> Response[bytes]:
    return Response(exposition.body, headers={"content-type": exposition.content_type})
