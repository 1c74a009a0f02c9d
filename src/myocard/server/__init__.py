"""A model behind HTTP on this machine: files in, answers out, and nothing kept."""
