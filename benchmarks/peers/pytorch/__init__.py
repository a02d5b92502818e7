"""Networks of PyTorch, for processes in an environment of their own, which has it."""
