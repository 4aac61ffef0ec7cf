"""How good are the pages? Incidents held against labels, by the rules of `judge`."""

from pipeline.evaluate.evaluation import evaluate, evaluate_pages
from pipeline.evaluate.files import evaluate_files
from pipeline.evaluate.report import Report
from pipeline.evaluate.tables import compare, render

__all__ = [
    "Report",
    "compare",
    "evaluate",
    "evaluate_files",
    "evaluate_pages",
    "render",
]
