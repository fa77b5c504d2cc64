"""Reading an exported model and answering with it, without the training stack."""
