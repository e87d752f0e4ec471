#!/bin/sh
# django-ninja names the schemas of its OpenAPI document by class alone. Two answers of different modules with the same
# class name end as one entry, the last one, and both operations refer to it: a client that is generated from the document
# expects the fields of the one where the server sends those of the other. Nothing is said, not even a warning. A test that
# holds the names unique helps.
#
# Run with django-ninja 1.7.1 and Django 5.2.19. Seen: one schema, with the field `paid`, for both operations.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv tools
tools/bin/python -m pip --quiet --disable-pip-version-check install Django==5.2.19 django-ninja==1.7.1
mkdir shop
touch shop/__init__.py
cat > shop/orders.py <<'EOT'
from ninja import Schema


class Answer(Schema):
    shipped: bool
EOT
cat > shop/bills.py <<'EOT'
from ninja import Schema


class Answer(Schema):
    paid: bool
EOT
cat > shop/site.py <<'EOT'
import warnings

import django
from django.conf import settings

settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="only here", ALLOWED_HOSTS=["*"])
django.setup()
warnings.simplefilter("error")

from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI  # noqa: E402

from shop import bills, orders  # noqa: E402

api = NinjaAPI()


@api.get("/orders", response=orders.Answer)
def order(request):
    return {"shipped": True}


@api.get("/bills", response=bills.Answer)
def bill(request):
    return {"paid": True}


urlpatterns = [path("api/", api.urls)]

if __name__ == "__main__":
    document = Client().get("/api/openapi.json").json()
    schemas = document["components"]["schemas"]
    content = [
        document["paths"][f"/api/{name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        for name in ("orders", "bills")
    ]
    print(len(schemas), *schemas["Answer"]["properties"], len(set(content)), *Client().get("/api/orders").json())
EOT
seen=$(tools/bin/python -m shop.site)
echo "schemas, their fields, different references, what the first operation sends: $seen"
[ "$seen" = "1 paid 1 shipped" ]
