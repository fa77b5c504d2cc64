"""Bring a cohort's features to the stack and the scale that were fitted on a training role."""

from pathlib import Path

import torch

from leukoflow.core.files import read_json, read_table
from leukoflow.core.step import parser, progress, run
