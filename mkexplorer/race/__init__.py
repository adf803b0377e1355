"""A race: equivalent kernels timed in turns on the same arguments, and what may be said of the result.

It needs Python 3.8 and, in `cuda` alone, torch; it imports nothing of the rest of mkexplorer, because the worker
takes it along into the interpreter of the user. `racing` is the race, `statistics` decides, `cuda` and `host` hold
the stopwatches.
"""
