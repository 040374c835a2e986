"""The numbers that /metrics shows, for Prometheus. Below app."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mathtune.cli.serving.solved import Solved

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
SAMPLES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 64)


class Counts:
    """One server's counters, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "mathtune_requests", "Answered requests.", ("endpoint", "status"), registry=registry
        )
        self.running = Gauge("mathtune_questions_running", "Questions now.", registry=registry)
        self.left = Counter(
            "mathtune_clients_left", "Clients that left before their answer.", registry=registry
        )
        self.read = Counter("mathtune_prompt_tokens", "Tokens read.", registry=registry)
        self.written = Counter("mathtune_sampled_tokens", "Tokens sampled.", registry=registry)
        self.stopped = Counter(
            "mathtune_stopped", "Questions by why sampling ended.", ("why",), registry=registry
        )
        self.samples = Histogram(
            "mathtune_samples_used", "Samples per question.", buckets=SAMPLES, registry=registry
        )
        self.seconds = Histogram(
            "mathtune_question_seconds", "Seconds per question.", buckets=SECONDS, registry=registry
        )

    def solved(self, found: Solved, seconds: float) -> None:
        """Count a solved question."""
        self.read.inc(found.read)
        self.written.inc(found.tokens)
        self.stopped.labels(found.stopped).inc()
        self.samples.observe(found.samples_used)
        self.seconds.observe(seconds)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        return generate_latest(self._registry)
