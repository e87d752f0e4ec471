# One image for web (the default command), worker (`python manage.py worker`) and migrations (`python manage.py migrate`).
# Needs no capability and no writable root: only /var/lib/hitl (keys, metrics files) and /tmp are written.
# The digest is that of the index for all platforms; the tag only says what it was. Another: --build-arg, with its digest.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/python -m pip install --require-hashes -r /tmp/requirements.txt
WORKDIR /app
COPY . .
# The key signs nothing here; it only lets the settings load without a data directory.
RUN SECRET_KEY=build HITL_DATA_DIR=/tmp /opt/venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && /opt/venv/bin/python -m compileall -q .

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 1000 hitl \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /var/lib/hitl --shell /usr/sbin/nologin hitl \
    && install -d -o hitl -g hitl -m 0700 /var/lib/hitl
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
# HITL_BIND: inside a container loopback reaches nobody.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    HITL_DATA_DIR=/var/lib/hitl \
    HITL_BIND=0.0.0.0 \
    PORT=8027
USER 1000:1000
VOLUME ["/var/lib/hitl", "/tmp"]
EXPOSE 8027
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/healthz\", timeout=4)"]
# gunicorn finishes its requests on SIGTERM; exec form, so it is process 1 and gets the signal.
CMD ["gunicorn", "-c", "hitl/gunicorn.conf.py", "hitl.wsgi"]
