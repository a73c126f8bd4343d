"""A webhook's receiver: a real HTTP server in a thread, which does as it is told."""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from tests.support.ports import free_port

WAIT_S_MAX = 60.0
HANG = -1
"""Instead of a status: no answer until the server stops."""
CUT = -2
"""Instead of a status: the connection is cut."""


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its events, oldest first."""
        value = json.loads(self.body)
        return value if isinstance(value, list) else [value]


@dataclass
class Receiver:
    """What came, and what is answered."""

    port: int = field(default_factory=free_port)
    statuses: deque[int] = field(default_factory=deque[int])
    requests: list[Received] = field(default_factory=list[Received])
    accepted: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    on_request: Callable[[], None] = lambda: None
    _is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=hush"

    @property
    def sequences(self) -> list[int]:
        """Sequence numbers of the events that were accepted."""
        return [event["data"]["sequenceNumber"] for event in self.accepted]

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while not is_so():
            assert time.monotonic() < deadline, f"{len(self.accepted)} events came"
            time.sleep(0.01)

    @contextlib.contextmanager
    def listening(self) -> Generator[None]:
        """Listens on the port within the block; may be called again."""
        self._is_over.clear()
        server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(self.path, dict(self.headers.items()), body)
                receiver.requests.append(received)
                receiver.on_request()
                status = receiver.statuses.popleft() if receiver.statuses else 204
                if status == HANG:
                    receiver._is_over.wait()
                if status in (HANG, CUT):
                    self.close_connection = True
                    return
                if 200 <= status < 300:
                    receiver.accepted.extend(received.events)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            @override
            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
