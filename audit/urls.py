"""The audit log's pages."""

from django.urls import path

from . import views

app_name = "audit"

urlpatterns = [
    # /audit/entries
    path("", views.entry_list, name="index"),
    path("entries", views.entry_list, name="entries"),
    path("entries/<uuid:entry_id>", views.entry_detail, name="entry"),
]
