"""The config: one pydantic model per section; unknown keys are errors."""
