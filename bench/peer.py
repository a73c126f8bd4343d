"""A peer: Orthanc with its DICOMweb plug-in, from Debian's packages, tuned for this."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.servers import Server, free_port, running

ORTHANC = "orthanc"
PROGRAM = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PACKAGES = ["orthanc", "orthanc-dicomweb"]
SETTINGS: dict[str, Any] = {
    "HttpThreadsCount": 64,
    "KeepAlive": True,
    "TcpNoDelay": True,
    "StorageCompression": False,
    "HttpCompressionEnabled": False,
    "AuthenticationEnabled": False,
    "RemoteAccessAllowed": False,
    "OverwriteInstances": False,
    "DicomServerEnabled": False,
    "StoreMD5ForAttachments": False,
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
}


def require() -> None:
    """Installs what is missing, where that is possible.

    Raises:
        SystemExit: It is not; the text says what to do.
    """
    if PROGRAM.exists() and PLUGIN.exists():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        # Debian starts what it installs, except in this run level.
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", *PACKAGES]):
            subprocess.run(
                ["apt-get", *command], env=environ, check=False, stdout=subprocess.DEVNULL
            )
    if not (PROGRAM.exists() and PLUGIN.exists()):
        msg = f"Orthanc is missing; install it (Debian: apt install {' '.join(PACKAGES)})"
        raise SystemExit(msg)


@contextlib.contextmanager
def orthanc(folder: Path) -> Generator[Server]:
    """Runs Orthanc on a folder of its own."""
    port = free_port()
    storage = folder / ORTHANC
    storage.mkdir()
    settings = SETTINGS | {
        "HttpPort": port,
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "Plugins": [str(PLUGIN)],
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    with running(ORTHANC, port, [str(PROGRAM), str(file)], "/system", folder) as server:
        yield replace(server, root="/dicom-web")


def facts(server: Server) -> dict[str, str]:
    """Returns its versions and settings."""

    def ask(path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            return json.load(answer)

    return {
        "Orthanc": ask("/system")["Version"],
        "DICOMweb plug-in": ask("/plugins/dicom-web")["Version"],
        "settings": json.dumps(SETTINGS),
    }
