"""What the unit tests share."""

import os

# Two small processes side by side are faster than two that fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "2")
