"""For whoever runs gunicorn himself: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`. `parvis serve` is the same."""

import os

from node.cli.serving import options
from node.config import Settings

globals().update(options(Settings.load(os.environ)))
