"""What an encoder must beat: models that learn from labels alone, or not at all."""
