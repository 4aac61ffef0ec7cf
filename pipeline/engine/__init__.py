"""The pure core of the pipeline: messages and states go in, new states and effects come out."""

from pipeline.engine.partition import Checkpoint, Effects, PartitionFold
from pipeline.engine.rules import Rules

__all__ = ["Checkpoint", "Effects", "PartitionFold", "Rules"]
