"""What Prometheus scrapes, in the office: it tells what is earned, and asks for no password."""

from typing import Any

import structlog
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_503_SERVICE_UNAVAILABLE

from relay.database.faults import log_failure
from relay.metrics.business import BusinessMetrics
from relay.metrics.families import Exposition
from relay.metrics.process import ProcessMetrics

log = structlog.get_logger()

NOT_READ = b"The database could not be asked; the log says why.\n"


@get("/metrics", include_in_schema=False)
async def metrics_of_process(
    request: Request[Any, Any, Any], process_metrics: NamedDependency[ProcessMetrics]
) -> Response[bytes]:
    """What this process counted since it started, for Prometheus."""
    return _response(await process_metrics.show(request.headers.get("accept", "")))


@get("/metrics/business", include_in_schema=False)
async def metrics_of_business(
    request: Request[Any, Any, Any], business_metrics: NamedDependency[BusinessMetrics]
) -> Response[bytes]:
    """The books, open tasks and what is due, as the database has them: for Prometheus, once."""
    try:
        exposition = await business_metrics.show(request.headers.get("accept", ""))
    except Exception as error:  # noqa: BLE001 (told in the log, and no figures are better than old ones)
        log_failure(log, "business.not_read", error)
        return Response(
            NOT_READ, status_code=HTTP_503_SERVICE_UNAVAILABLE, media_type=MediaType.TEXT
        )
    return _response(exposition)


def _response(exposition: Exposition) -> Response[bytes]:
    return Response(exposition.body, headers={"content-type": exposition.content_type})
