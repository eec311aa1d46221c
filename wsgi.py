"""Entry point of a WSGI server: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`, or `parvis serve`."""

import os

from node.app import create_app
from node.config import Settings
from node.core.migrations import require_current

settings = Settings.load(os.environ)
settings.check_machine()
require_current(settings)
app = create_app(settings)
