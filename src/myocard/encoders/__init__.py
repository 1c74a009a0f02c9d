"""Encoders behind one protocol: their input, every layer, and what they were pretrained on."""
