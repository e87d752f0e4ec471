"""What is known about a CVE beyond what producers say: the KEV catalogue."""

from django.db import models


class KnownExploited(models.Model):
    """One row of CISA's Known Exploited Vulnerabilities catalogue."""

    cve_id = models.CharField(max_length=30, primary_key=True)
    name = models.TextField(blank=True)
    added_on = models.DateField()
    due_on = models.DateField(null=True)
    ransomware = models.BooleanField(default=False)
    imported_at = models.DateTimeField()

    class Meta:
        verbose_name = "known exploited vulnerability"
        verbose_name_plural = "known exploited vulnerabilities"

    def __str__(self) -> str:
        return self.cve_id
