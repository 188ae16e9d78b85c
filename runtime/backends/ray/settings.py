"""What a cluster of Ray's is set to so that hosts live well on it, where that is not what Ray does by itself.

The names are those of environment variables, and each process of Ray's reads them when it starts: a cluster
that is started here has them, and one that others start wants them on every machine
(``docs/guides/actors.md`` shows the commands).
"""

from __future__ import annotations

from typing import Final

#: By variable: the value, as text.
SETTINGS: Final = {
    # A machine that is lost is noticed within 5 s, one that is frozen within 15 s; by itself Ray takes 15 s
    # and a minute. Less would take a busy machine for a dead one, and Ray ends what is declared dead.
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "5",
    # Nobody is told of what a cluster is used for.
    "RAY_USAGE_STATS_ENABLED": "0",
}

#: And where Redis keeps what the head knows: machines and hosts outlive an absence of the head this long, in
#: seconds. By itself Ray ends them after one minute. Without Redis a head that has gone does not come back.
FAULT_TOLERANT: Final = {"RAY_gcs_rpc_server_reconnect_timeout_s": "3600"}
