"""One table says which application answers which path."""

import pytest

from relay.front import STREAMING, TABLE, Application, Front, is_page
from relay.kling.catalogue import OURS
from relay.kling.endpoints import ENDPOINTS, QUERY_PATHS

resolve = Front({application: application for application in Application}).resolve

PATHS = {
    Application.PAGES: (
        *("/health/live", "/health/ready", "/health/", "/health/nothing", "/health//live"),
        "/health/internal/callback/x",
    ),
    Application.CALLBACKS: (
        *("/internal/callback", "/internal/callback/", "/internal/callback/a.b.c"),
        *("//internal//callback//x", "/eu/internal/callback/x", "/relay/internal/callback/x"),
        "/v1/videos/internal/callback/x",
    ),
    Application.OWN: (
        *("/relay", "/relay/", "//relay//", "/relay/deliveries", "/relay/deliveries/x/replay"),
        *("/relay/nothing", "/relay/health/live", "/relay/internal"),
        *("/api/usage/token/", "/api/usage/token", "/v1/dashboard/billing/subscription"),
        *("//v1/dashboard/billing/usage/", "/dashboard/billing/usage"),
    ),
    Application.CONTENT: (*("/v1/videos/task_1/content", "//v1/videos//task_a%2Fb/content/"),),
    Application.ASSETS: (
        "/assets/0192f0c1-0000-4000-8000-0123456789ab.mp4",
        "/eu/assets/0192f0c1-0000-4000-8000-0123456789ab.png",
    ),
    Application.KLING: (
        *("/assets", "/assets/1.mp4", "/v1/assets/0192f0c1-0000-4000-8000-0123456789ab"),
        "/assets/0192f0c1-0000-4000-8000-0123456789ab.mp4/x",
        *("/v1/videos/1/content", "/content", "/kling/v1/videos/task_1/content"),
        *("/v1/videos/task_1", "/v1/videos/task_1/content/x", "/v1/images/task_1/content"),
        *(
            "/",
            "",
            "*",
            "/health",
            "/healthy/live",
            "//health/live",
            "/Health/live",
            "/v1/health/x",
        ),
        *("/%68ealth/live", "/internal", "/internal/", "/internal/callbacks", "/internalcallback"),
        *(
            "/internal/callbackx/internal/callback/x",
            "/internal%2Fcallback/x",
            "/xinternal/callback",
        ),
        *(
            "/api/usage",
            "/api/usage/tokens",
            "/v1/v1/dashboard/billing/usage",
            "/api/usage/token/x",
        ),
        *("/relays", "/Relay/deliveries", "/kling/relay/deliveries", "/v1/videos/relay"),
        *("/%72elay/deliveries", "/schema", "/openapi", "/tasks", "/kling/v1/videos/text2video/x"),
    ),
}


@pytest.mark.parametrize(
    ("application", "path"),
    [(application, path) for application, paths in PATHS.items() for path in paths],
)
def test_a_path_is_answered_by_one_application(application: Application, path: str) -> None:
    """As it is spelt: nothing is decoded, and slashes double where a client's base URL does it."""
    assert resolve(path.encode()) is application
    assert is_page(path.encode()) is (application in STREAMING)


def test_no_endpoint_can_begin_where_somebody_else_answers() -> None:
    """The catalogue refuses an operator's endpoint there, and Kling has none."""
    roots = {row.root for row in TABLE if row.application is not Application.CONTENT}
    assert roots == OURS - {"account", "kling"}
    for path in [endpoint.path for endpoint in ENDPOINTS] + list(QUERY_PATHS.values()):
        assert resolve(path.encode()) is Application.KLING
        assert resolve(b"/kling" + path.encode()) is Application.KLING
