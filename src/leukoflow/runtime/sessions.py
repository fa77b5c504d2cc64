"""ONNX Runtime sessions, set up for one image at a time."""

import onnxruntime

from leukoflow.core.errors import LeukoFlowError


def session(network: bytes, name: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session on the CPU that uses so many threads; LeukoFlowError with the file's name where it is no network."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Idle threads must not spin: several sessions share the processor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no other base
        reason = " ".join(str(error).split())[:200]
        raise LeukoFlowError(f"{name}: cannot be opened by ONNX Runtime ({reason}); export the model again") from error
