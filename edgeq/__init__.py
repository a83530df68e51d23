"""edgeq: one command from a trained PyTorch CNN to a verified, measured ESP32."""

__version__ = "0.1.0"
