"""The extended query tag of the scale run, added before the first Store as a user would."""

import json
import time
import urllib.request

from bench.servers import Server

TAG = {"path": "DeviceSerialNumber", "level": "Instance"}
READY_S_MAX = 60.0
_POLL_S = 0.2


def add(server: Server) -> None:
    """Adds the tag and returns when new instances are indexed by it.

    Raises:
        TimeoutError: It was not ready in time.
    """
    tags = f"http://127.0.0.1:{server.port}{server.root}/extendedquerytags"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(tags, json.dumps([TAG]).encode(), headers)
    urllib.request.urlopen(request).close()
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{tags}/{TAG['path']}") as answer:
            if json.load(answer)["status"] == "ready":
                return
        time.sleep(_POLL_S)
    msg = f"{TAG['path']} was not ready within {READY_S_MAX:.0f} s"
    raise TimeoutError(msg)
