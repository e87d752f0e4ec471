"""The databases of the two systems that this one replaces, made in a schema of the test server."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

SCHEMA = "other_system"
S1 = """
create table hitl_decisions (
    decision_id varchar(255) primary key, patch_id varchar(255) not null, apv_id varchar(255) not null,
    cve_id varchar(50),
    package_name varchar(255) not null, current_version varchar(100) not null, target_version varchar(100) not null,
    severity varchar(20) not null check (severity in ('low', 'medium', 'high', 'critical')),
    cvss_score float check (cvss_score between 0 and 10), cwe_ids text[], affected_systems text[],
    patch_size_lines int default 0, ml_confidence float check (ml_confidence between 0 and 1), ml_prediction bool,
    ml_model_version varchar(50), ml_shap_values jsonb, ml_execution_time_ms int, wargaming_phase1 bool,
    wargaming_phase2 bool, wargaming_passed bool, wargaming_execution_time_ms int, wargaming_error text,
    wargaming_exploit_id varchar(100), decision varchar(20) not null default 'pending', decided_by varchar(100),
    decided_at timestamp, priority varchar(20) not null default 'medium', comment text, reason text,
    requires_escalation bool default false, auto_approval_eligible bool default false,
    ml_wargaming_agreement bool default false, created_at timestamp not null default now(),
    updated_at timestamp not null default now()
);
create table hitl_audit_logs (
    log_id varchar(255) primary key, decision_id varchar(255) not null, action varchar(50) not null,
    performed_by varchar(100) not null, timestamp timestamp not null default now(), details jsonb,
    ip_address varchar(45), user_agent text
);
"""
S3 = """
create table approval_requests (
    id uuid primary key default gen_random_uuid(), workflow_id uuid not null, job_id varchar(255) not null,
    execution_id uuid not null, title varchar(500) not null, description text, context jsonb default '{}',
    status varchar(50) not null default 'pending', requested_by varchar(255) not null,
    requested_at timestamptz not null default now(), decided_by varchar(255), decided_at timestamptz,
    decision varchar(50), comment text, reason text, timeout_ms int not null default 3600000 check (timeout_ms > 0),
    expires_at timestamptz not null, timeout_action varchar(50) not null default 'reject', notify_users text[],
    notify_channels text[], notify_roles text[], notification_sent_at timestamptz, require_min_approvers int default 1,
    allowed_approvers text[], approvers text[] default '{}', require_all_approvers bool default false,
    escalate_to_users text[], escalation_level int default 0, metadata jsonb default '{}',
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create table approval_notifications (
    id uuid primary key default gen_random_uuid(),
    approval_request_id uuid not null references approval_requests on delete cascade, channel varchar(50),
    recipient varchar(255), status varchar(50), created_at timestamptz default now()
);
create table approval_audit_log (
    id uuid primary key default gen_random_uuid(),
    approval_request_id uuid not null references approval_requests on delete cascade, action varchar(100),
    user_id varchar(255), user_email varchar(255), user_name varchar(255), ip_address inet, user_agent text,
    old_status varchar(50), new_status varchar(50), comment text, metadata jsonb, created_at timestamptz default now()
);
"""
BASE = {
    "patch_id": "PATCH-20240501-001",
    "apv_id": "APV-20240501-001",
    "cve_id": "CVE-2024-9999",
    "package_name": "sqlalchemy",
    "current_version": "1.4.0",
    "target_version": "1.4.46",
    "severity": "critical",
    "created_at": "2024-05-01 10:00:00",
}
DECIDED = {"decided_by": "ada@example.org", "decided_at": "2024-05-01 10:30:00"}
WORKFLOW = "0b2b7f0e-5d0c-4d4e-9f0a-000000000001"


class Other:
    """A database of another system, beside the product's tables on the test server; `dsn` is its address."""

    def __init__(self, connection: psycopg.Connection[Any], dsn: str) -> None:
        self.connection, self.dsn = connection, dsn

    def run(self, statements: str) -> None:
        self.connection.execute(statements)

    def add(self, table: str, **values: Any) -> None:
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            [Jsonb(value) if isinstance(value, dict) else value for value in values.values()],
        )

    def decision(self, decision_id: str, decision: str, **changes: Any) -> None:
        self.add("hitl_decisions", decision_id=decision_id, decision=decision, **(BASE | changes))

    def gate(self, number: int, status: str, **changes: Any) -> str:
        gate_id = f"00000000-0000-4000-8000-{number:012}"
        base = {
            "id": gate_id,
            "workflow_id": WORKFLOW,
            "job_id": "approve",
            "execution_id": f"0b2b7f0e-5d0c-4d4e-9f0a-{number:012}",
            "title": f"Deploy shop {number}",
            "requested_by": "rita",
            "expires_at": "2024-05-01 12:00+00",
            "status": status,
        }
        self.add("approval_requests", **(base | changes))
        return gate_id
