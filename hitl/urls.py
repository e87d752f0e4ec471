"""The site map. /healthz, /readyz, /health and /metrics are answered before it, in `middleware.ProbeMiddleware`."""

from django.contrib import admin
from django.urls import include, path, re_path

from hitl.api import api

urlpatterns = [
    # /hitl and, for workflow gates, /api/approvals: JSON for producers, deployers and everybody else's programs. First,
    # so that no call of the API tries the addresses of all pages before.
    re_path("^(?=hitl/|api/)", api.urls),
    # Pages
    path("audit/", include("audit.urls")),
    path("admin/", admin.site.urls),
    path("", include("approvals.urls")),
]

handler403 = "approvals.views.errors.forbidden"
handler404 = "approvals.views.errors.not_found"
handler500 = "approvals.views.errors.server_error"
