"""The project as an app: its database backend, commands and checks."""

from django.apps import AppConfig


class HitlConfig(AppConfig):
    name = "hitl"

    def ready(self) -> None:
        """Register the checks, which need the apps."""
        import hitl.checks  # noqa: F401, PLC0415
