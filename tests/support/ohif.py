"""OHIF as its makers build it, served to a browser by a small server of files."""

import contextlib
import json
import threading
from collections.abc import Generator
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

DIST = Path(__file__).parents[1] / "node_modules" / "ohif"
CONFIG = "/app-config.js"
FRAMES_ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def config(root: str) -> str:
    """Returns the script that tells OHIF where its images are; `root` is of DICOMweb."""
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": {
            "friendlyName": "Longshore",
            "name": "longshore",
            "wadoUriRoot": root,
            "qidoRoot": root,
            "wadoRoot": root,
            "qidoSupportsIncludeField": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "singlepart": "bulkdata,video,pdf",
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "routerBasename": None,
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 2,
        "showCPUFallbackMessage": False,
        "showWarningMessageForCrossOrigin": False,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "dicomweb",
        "dataSources": [source],
    }
    return f"window.config = {json.dumps(settings)};"


class _Files(SimpleHTTPRequestHandler):
    """The built files; a path of the app that is no file is the app itself."""

    script = ""

    @override
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == CONFIG:
            self._send_script()
            return
        if not (DIST / path.lstrip("/")).is_file():
            self.path = "/index.html"
        super().do_GET()

    def _send_script(self) -> None:
        body = self.script.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def serving(port: int, root: str) -> Generator[str]:
    """Yields the address of an OHIF that shows what is at `root`."""

    class Files(_Files):
        script = config(root)

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(DIST), **kwargs)  # pyright: ignore[reportArgumentType]

    server = ThreadingHTTPServer(("127.0.0.1", port), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
