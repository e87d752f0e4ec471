#!/bin/sh
# OpenTelemetry's instrumentation of Django asks for the absolute address of every request before the first middleware of
# the application runs, and that asks whether the host is allowed. A probe that a middleware answers before any host is
# looked at, as probes are (load balancers and kubelets send the address of the machine as Host), is 200 without it and 400
# with it: switching traces on takes every replica out of service. Allowing the addresses, or spans of one's own, helps.
#
# Run with Django 5.2.19, opentelemetry-instrumentation-django 0.66b1 and opentelemetry-sdk 1.45.1. Seen: 200, then 400.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv tools
tools/bin/pip --quiet --disable-pip-version-check install Django==5.2.19 opentelemetry-instrumentation-django==0.66b1 \
    opentelemetry-sdk==1.45.1
cat > site_with_probe.py <<'EOT'
import sys

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

urlpatterns = []


def probe(get_response):
    return lambda request: HttpResponse("ok") if request.path == "/healthz" else get_response(request)


if __name__ == "__main__":
    settings.configure(
        ALLOWED_HOSTS=["shop.example.org"],
        MIDDLEWARE=["site_with_probe.probe"],
        ROOT_URLCONF="site_with_probe",
        SECRET_KEY="only here",
    )
    if sys.argv[1] == "traced":
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument()
    django.setup()
    client = Client(raise_request_exception=False)
    print(client.get("/healthz", headers={"host": "10.1.2.3"}).status_code)
EOT
plain=$(tools/bin/python site_with_probe.py plain 2>/dev/null)
traced=$(tools/bin/python site_with_probe.py traced 2>/dev/null)
echo "plain $plain, traced $traced"
[ "$plain" = 200 ] && [ "$traced" = 400 ]
