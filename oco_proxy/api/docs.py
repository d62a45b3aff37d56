"""`/docs`: a page of our own that shows `/docs/openapi.json`, without anything from elsewhere."""

from importlib import resources
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin


class DocumentationPage(OpenAPIRenderPlugin):
    """A self-contained page: the usual ones load their scripts from a content network."""

    def __init__(self) -> None:
        super().__init__(path="/")
        folder = resources.files("oco_proxy.api")
        self._page = folder.joinpath("docs.html").read_bytes()

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The page; it fetches the schema by itself."""
        return self._page


PLUGINS = (DocumentationPage(), JsonRenderPlugin(path="/openapi.json"))
