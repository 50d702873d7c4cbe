"""Offline reinforcement learning, built step by step in JAX."""
