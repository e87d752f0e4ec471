"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from hitl import traces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl.settings")

application = get_wsgi_application()
traces.start("hitl-web")  # each worker of gunicorn imports this after its fork
