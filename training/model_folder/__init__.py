"""Makes the parts of a trained model's folder: weights, scores and influence for the card, ONNX, metadata."""
