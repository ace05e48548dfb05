"""The addresses of the pages and of what they load."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from serving.answers import to_json
from serving.pages.overview import api_calls, overview
from serving.parts import Parts

_READ = ["GET", "HEAD"]
_SERVING = Path(__file__).parent.parent
_HEADERS = {
    # Nothing comes from elsewhere and nothing runs that is not a file of ours. Plotly writes styles into its charts.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def install(app: FastAPI, parts: Parts) -> None:
    """Add the pages to the application."""
    templates = Environment(
        loader=FileSystemLoader(_SERVING / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def page(name: str, **values: object) -> Response:
        return HTMLResponse(templates.get_template(name).render(**values), headers=_HEADERS)

    @app.api_route("/", methods=_READ, include_in_schema=False)
    async def start() -> Response:
        return await run_in_threadpool(lambda: page("overview.html", **overview(parts)))

    @app.api_route("/docs", methods=_READ, include_in_schema=False)
    async def docs(request: Request) -> Response:
        return page("docs.html", calls=api_calls(app.openapi()))

    @app.api_route("/docs.json", methods=_READ, include_in_schema=False)
    async def document() -> Response:
        # BentoML's own address for its document; ours describes the calls as they are.
        return to_json(app.openapi())

    @app.api_route("/static/plotly.min.js", methods=_READ, include_in_schema=False)
    async def plotly() -> Response:
        script = Path(str(files("plotly") / "package_data" / "plotly.min.js"))
        return FileResponse(script, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})

    app.mount("/static", StaticFiles(directory=_SERVING / "static"), name="static")
