"""Writing a trained model as a folder that `leukoflow.artefact` answers with."""
