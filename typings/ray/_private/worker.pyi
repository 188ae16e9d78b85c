"""The process of whoever uses a cluster."""

_worker_logs_enabled: bool
