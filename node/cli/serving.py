"""How a node runs under gunicorn: one process of threads, which also delivers and works off jobs.

Rule: the application is loaded in the worker, after the fork; the master stays small. `deploy/gunicorn.conf.py`
takes the same options. Source: ARCHITECTURE, section 5; https://docs.gunicorn.org/en/stable/settings.html.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from node.config import Settings, SettingsError
from node.core import lean

KEEP_ALIVE_S = 75  # longer than a partner keeps a connection idle: we are not the one who hangs up
GRACEFUL_S = 10
OBJECTS_BETWEEN_COLLECTIONS = 10_000
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- the worker's heartbeat must not touch a disk


def options(settings: Settings) -> dict[str, Any]:
    """Gunicorn's settings."""
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    chosen: dict[str, Any] = {
        "bind": f"{host}:{settings.port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": settings.threads,
        "keepalive": KEEP_ALIVE_S,
        "graceful_timeout": GRACEFUL_S,
        "control_socket_disable": True,
        "forwarded_allow_ips": ",".join(settings.proxies),
        "forwarder_headers": "",
        "loglevel": settings.log_level.lower() if settings.log_level != "INFO" else "warning",
        "proc_name": "parvis",
        "pre_fork": share_memory,
        "post_fork": spare_memory,
        "post_worker_init": start_background,
        "worker_exit": stop_background,
    }
    if SHARED_MEMORY.is_dir():
        chosen["worker_tmp_dir"] = str(SHARED_MEMORY)
    if settings.tls_cert_file.name:
        chosen["certfile"] = str(settings.tls_cert_file)
        chosen["keyfile"] = str(settings.tls_key_file)
    return chosen


def share_memory(_: Any, __: Any) -> None:
    """Gunicorn's `pre_fork`: what the master has loaded is not looked through by the worker, whose pages then
    stay those of the master.
    """
    gc.collect()
    gc.freeze()


def spare_memory(_: Any, __: Any) -> None:
    """Gunicorn's `post_fork`, before any thread."""
    lean.one_heap()


def start_background(worker: Any) -> None:
    """Gunicorn's `post_worker_init`: lanes and jobs start in the process that has the application."""
    from node.app import background_of
    from node.core.http.context import ground

    app = worker.wsgi
    with app.app_context():
        settings = ground().settings
    worker.parvis = background_of(app) if settings.background else []
    for each in worker.parvis:
        each.start()
    # What the application is made of stays: looking through it again and again took 6 % of a message's CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def stop_background(_: Any, worker: Any) -> None:
    """Gunicorn's `worker_exit`: what runs comes to its end, all is closed, and the process ends."""
    from node.core.http.context import ground

    for each in getattr(worker, "parvis", ()):
        each.stop()
    app = getattr(worker, "wsgi", None)
    if app is not None:
        with app.app_context():
            ground().close()
    leaving = sys.exc_info()[1]
    if isinstance(leaving, SystemExit) and not leaving.code:
        # Nothing is left to do, and taking the interpreter apart takes more than two seconds.
        atexit._run_exitfuncs()  # noqa: SLF001 -- coverage and the like; there is no public name for it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, without its command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from node.app import create_app
        from node.core.migrations import require_current

        try:
            require_current(self._settings)
        except SettingsError as wrong:
            # Here and not in the master, which would have to load SQLAlchemy for it.
            sys.stderr.write(f"Error: {wrong}\n")
            sys.exit(Arbiter.APP_LOAD_ERROR)
        return create_app(self._settings)
