"""Tests that run kernels in Triton's interpreter: all of them in one process of their own, started by
``tests/test_interpreted.py``, because Triton decides when it is imported whether it compiles.
"""
