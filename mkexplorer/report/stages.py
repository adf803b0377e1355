"""The stages of the IR that can be read as text; apart from everything else, because the parser of the command line
needs no more."""

# In the order in which they come out of each other; SASS stands in the cubin.
STAGES = ("ttir", "ttgir", "llir", "ptx", "sass")
