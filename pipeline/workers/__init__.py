"""The streaming shell: the stages as Faust workers on Kafka, one consumer group per role."""

from pipeline.workers.run import run_roles

__all__ = ["run_roles"]
