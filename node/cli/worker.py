"""`parvis worker`: the background half as a process of its own, for larger sites."""

from __future__ import annotations

import os
import signal
import threading

import click

from node.config import Settings


@click.command("worker")
@click.option("--once", is_flag=True, help="Work off the jobs that wait now, then stop; deliver nothing.")
def command(*, once: bool) -> None:
    """Deliver and work off jobs, without answering requests."""
    from node.app import background_of, create_app
    from node.core.http.context import ground
    from node.core.migrations import require_current

    settings = Settings.load(os.environ)
    settings.check_machine()
    require_current(settings)
    app = create_app(settings)
    with app.app_context():
        mine = ground()
    if once:
        click.echo(f"Jobs: {mine.jobs.run_pending()}")
        mine.close()
        return
    told_to_stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: told_to_stop.set())
    background = background_of(app)
    for thread in background:
        thread.start()
    told_to_stop.wait()
    for thread in background:
        thread.stop()
    mine.close()
