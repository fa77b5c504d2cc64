"""A finished tiny study to hold clusters' results against, from the tests of the workflow."""

from ..workflow.conftest import project  # noqa: F401 (a fixture)
