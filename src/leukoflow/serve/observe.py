"""What the service tells its operator: a log of one JSON object per line, and numbers for Prometheus.

Neither holds anything of a file: names never reach the service, and addresses of clients are not written down.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

METHODS = ("GET", "POST", "HEAD", "OPTIONS")
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60)


class JsonLines(logging.Formatter):
    """Log records as JSON objects; what is given as `extra={"facts": {...}}` is laid next to time, level and event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII: other readers of lines than JSON's may take a separator in a text for the end of one."""
        clock = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"time": clock, "level": record.levelname.lower()}
        said |= {"event": record.getMessage(), **getattr(record, "facts", {})}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def log_to_stderr() -> None:
    """Send every log record of the process to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Numbers:
    """Counts and times since the start."""

    def __init__(self, busy: Callable[[], float], held: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "leukoflow_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "leukoflow_request_seconds", "Time to an answer", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.answers = Counter(
            "leukoflow_answers", "Images answered, by model and outcome", ["model", "outcome"], registry=self.registry
        )
        Gauge("leukoflow_images_in_work", "Images that wait or are looked at", registry=self.registry).set_function(
            busy
        )
        Gauge("leukoflow_held_bytes", "Bytes of uploads in memory", registry=self.registry).set_function(held)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
