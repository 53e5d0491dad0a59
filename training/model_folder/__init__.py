"""What the folder of a trained model is made of."""
