"""The one exception that users see."""


class LeukoFlowError(Exception):
    """Bad input or configuration, said in one line: which file or key, what is wrong, what to do."""
