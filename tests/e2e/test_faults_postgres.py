"""The embedded PostgreSQL is killed or stopped alone: it comes back, and with it the service."""

import concurrent.futures
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import synthetic
from tests.support.load import Pushers
from tests.support.processes import Serving, postgres_processes
from tests.support.service import Service, running


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])
