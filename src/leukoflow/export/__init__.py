"""Writing a trained model as a folder that `leukoflow.runtime` answers with."""
