"""Writes the rules of deploy/prometheus/rules as PrometheusRules: the operator reads no files, and kustomize cannot put
one file into another. tests/ops compares the two."""

from pathlib import Path
from textwrap import indent

DEPLOY = Path(__file__).resolve().parents[1]
WRITTEN = DEPLOY / "kubernetes" / "components" / "monitoring" / "prometheus-rules.yaml"
HEAD = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: hitl-{name}
  labels:
    release: kube-prometheus-stack
spec:
"""


def prometheus_rules() -> str:
    """Return a PrometheusRule for each file, its text as it is."""
    rules = [
        HEAD.format(name=file.stem) + indent(file.read_text("utf-8"), "  ")
        for file in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
    ]
    return "# Written by deploy/kubernetes/write_prometheus_rules.py.\n" + "---\n".join(rules)


if __name__ == "__main__":
    WRITTEN.write_text(prometheus_rules(), "utf-8")
