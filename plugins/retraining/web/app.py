"""The app: its routes, its files, and the headers of every answer.

Each route is behind Airflow's own login and its permissions on the DAG. No request names a key of
S3 or an ARN: it names a DAG and a run, and `naming` makes the key.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse

from retraining.web import (
    aws_reads,
    json_answers,
    permissions,
    routes_act,
    routes_read,
    routes_start,
)
from retraining.web.json_answers import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_HERE = Path(__file__).parent
_STATIC = {
    "page.css": "text/css",
    "chart.umd.min.js": "text/javascript",
    **{path.name: "text/javascript" for path in (_HERE / "static").glob("*.js")},
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app() -> FastAPI:
    """Return the app, to be mounted by Airflow's API server."""
    app = FastAPI(
        title="Model quality",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        default_response_class=Told,
        # The DAG of the request, if it names one; the routes check it against the pipeline, too.
        dependencies=[
            Depends(json_answers.without_nul),
            Depends(requires_access_dag("GET")),
        ],
    )
    app.middleware("http")(_with_headers)
    app.add_exception_handler(aws_reads.UnavailableError, _unavailable)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _failed)
    app.get("/")(page)
    app.get("/static/{name}")(static)
    for path, tell in (
        ("pipelines", routes_read.list_pipelines),
        ("start", routes_start.list_states),
        ("runs", routes_read.list_runs),
        ("jobs", routes_read.list_jobs),
        ("run", routes_read.one_run),
        ("predictions", routes_read.run_predictions),
        ("log", routes_read.run_log),
        ("versions", routes_read.list_versions),
    ):
        app.get(f"/data/{path}", response_model=None)(tell)
    app.get("/runs.csv")(routes_read.download)
    for path, act in (
        ("approve", routes_act.approve),
        ("reject", routes_act.reject),
        ("deploy", routes_act.deploy),
    ):
        app.post(
            f"/actions/{path}",
            response_model=None,
            dependencies=[Depends(permissions.from_this_page)],
        )(act)
    return app


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    aws_reads.warm_up()
    yield


async def _with_headers(
    request: Request, answer: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await answer(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _unavailable(_: Request, error: Any) -> Told:
    return Told({"detail": str(error)}, status.HTTP_503_SERVICE_UNAVAILABLE)


async def _refused(_: Request, error: Any) -> Told:
    return json_answers.refused(error)


async def _failed(_: Request, error: Any) -> Told:
    return Told({"detail": error.detail}, error.status_code, headers=error.headers)


def page() -> FileResponse:
    """Return the page; what it shows it asks for by itself."""
    return FileResponse(_HERE / "templates" / "page.html", media_type="text/html")


def static(name: str) -> FileResponse:
    """Return one of the page's own files."""
    if name not in _STATIC:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "there is no such file")
    folder = _HERE / "static" / ("vendor" if name.startswith("chart.") else "")
    headers = {"Cache-Control": "private, max-age=60"}
    return FileResponse(folder / name, media_type=_STATIC[name], headers=headers)
