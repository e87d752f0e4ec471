"""The filters of the page of deployments, from the query string."""

from datetime import timedelta

from django import forms

from approvals.forms import ANY
from approvals.models import DeploymentAlarm
from approvals.queries.deployments import Filters

AGES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "3d": timedelta(days=3), "7d": timedelta(days=7)}
AGE_NAMES = [("1h", "An hour"), ("1d", "A day"), ("3d", "Three days"), ("7d", "A week")]


class DeploymentsForm(forms.Form):
    """What the reader narrows the lists to."""

    deployer = forms.CharField(required=False, max_length=100)
    alarm = forms.ChoiceField(required=False, choices=ANY + DeploymentAlarm.choices, widget=forms.RadioSelect)
    package = forms.CharField(required=False, max_length=255)
    repository = forms.CharField(required=False, max_length=255)
    policy = forms.CharField(required=False, max_length=100)
    age = forms.ChoiceField(required=False, label="At least", choices=ANY + AGE_NAMES, widget=forms.RadioSelect)

    def filters(self) -> Filters:
        """Return the filters that are valid; a wrong one narrows nothing and shows its error."""
        self.is_valid()
        values = dict(self.cleaned_data)
        return Filters(**values | {"age": AGES.get(values.get("age", ""))})
